//! Headers that no definition sets.

/// Set from the request itself or by the connection: of the connection (RFC 9110 section 7.6.1),
/// of the framing of a message (RFC 9112 section 6), or of a proxy.
const TRANSPORT: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "proxy-connection",
    "proxy-authorization",
];

/// Whether the header of this name, in lower case, belongs to the transport.
pub fn is_transport_header(name: &str) -> bool {
    TRANSPORT.contains(&name)
}
