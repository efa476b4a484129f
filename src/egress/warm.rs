//! Connections that are made before they are needed.

use http::Method;

use super::error::{EgressError, classify};
use super::{Deadline, Egress, Limits, Route};

impl Egress {
    /// Makes a connection of this door's pool ready: looks the name up, connects, agrees on keys.
    ///
    /// It asks for the head of the URL that the route leads to, and shows no credentials: there is no
    /// other way to have a connection in the pool. What comes back does not matter, and a service
    /// that is failing is not asked less for it.
    ///
    /// # Errors
    ///
    /// There is no connection, or no answer within the deadline.
    pub async fn warm(&self, route: &Route, limits: Limits, deadline: Deadline) -> Result<(), EgressError> {
        let request = reqwest::Request::new(Method::HEAD, route.origin.as_ref().clone());
        route.way.outlet.policy.judge_url(request.url()).map_err(EgressError::Refused)?;
        let client = self.client(route, limits)?;
        let answer = deadline.within(client.execute(request)).await.map_err(|_| EgressError::Deadline)?;
        answer.map(drop).map_err(classify)
    }
}
