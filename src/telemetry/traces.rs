//! Traces over OTLP, by the conventions of OpenTelemetry for the execution of
//! tools (`execute_tool {name}`, the attributes `gen_ai.*`) and for HTTP clients.
//!
//! A call is told when it has ended: its ids have been chosen before, because
//! the upstream gets them (W3C Trace Context).

use std::time::SystemTime;

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor as _};

use crate::egress::Collector;
use crate::executor::{CallReport, Observer, Step};
use crate::tool::TraceContext;

/// Sends what calls did to a collector. What waits is sent when it is dropped.
#[derive(Debug)]
pub struct Traces {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
}

impl Traces {
    /// Sends to `endpoint`, the full URL of the collector's OTLP endpoint for
    /// traces over HTTP, such as `http://127.0.0.1:4318/v1/traces`.
    ///
    /// # Errors
    ///
    /// The endpoint is no URL, or the system has no room for another thread.
    pub fn start(endpoint: &str) -> Result<Self, String> {
        let collector = Collector::new().map_err(|error| error.to_string())?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector)
            .with_endpoint(endpoint)
            .build()
            .map_err(|error| error.to_string())?;
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder().with_service_name("callgate").with_attribute(version).build();
        processor.set_resource(&resource);
        let scope = InstrumentationScope::builder("callgate").with_version(env!("CARGO_PKG_VERSION")).build();
        Ok(Self { processor, scope })
    }

    fn span(&self, trace: &TraceContext, of: Span) {
        let flags = TraceFlags::SAMPLED;
        let id = |span: u64| SpanId::from(span);
        self.processor.on_end(SpanData {
            span_context: SpanContext::new(TraceId::from(trace.trace), id(of.id), flags, false, state(trace)),
            parent_span_id: of.parent.map_or(SpanId::INVALID, id),
            parent_span_is_remote: of.parent_is_remote,
            span_kind: of.kind,
            name: of.name.into(),
            start_time: of.start,
            end_time: of.end,
            attributes: of.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: of.status,
            instrumentation_scope: self.scope.clone(),
        });
    }
}

/// What the caller's `tracestate` says, as far as it is well formed.
fn state(trace: &TraceContext) -> TraceState {
    trace.state.as_deref().and_then(|state| state.parse().ok()).unwrap_or_default()
}

struct Span {
    id: u64,
    parent: Option<u64>,
    parent_is_remote: bool,
    kind: SpanKind,
    name: String,
    start: SystemTime,
    end: SystemTime,
    attributes: Vec<KeyValue>,
    status: Status,
}

impl Observer for Traces {
    fn call_ended(&self, report: &CallReport<'_>) {
        let Some(trace) = report.trace.filter(|trace| trace.sampled) else { return };
        for (number, step) in report.steps.iter().enumerate() {
            self.span(trace, attempt(trace, step, number));
        }
        self.span(trace, call(trace, report));
    }
}

/// `execute_tool {name}`: <https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/>
fn call(trace: &TraceContext, report: &CallReport<'_>) -> Span {
    let name = report.action.unwrap_or("unknown");
    let mut attributes = vec![
        KeyValue::new("gen_ai.operation.name", "execute_tool"),
        KeyValue::new("gen_ai.tool.name", name.to_owned()),
        KeyValue::new("gen_ai.tool.call.id", report.result.tool_call_id.clone()),
        KeyValue::new("gen_ai.tool.type", "extension"),
        KeyValue::new("deployment.environment.name", report.environment.to_owned()),
        KeyValue::new("callgate.attempts", i64::from(report.result.attempts)),
        KeyValue::new("callgate.replayed", report.result.replayed),
    ];
    let status = match &report.result.error {
        None => Status::Unset,
        Some(error) => {
            attributes.push(KeyValue::new("error.type", error.code.as_str()));
            Status::error(error.code.as_str())
        }
    };
    Span {
        id: trace.span,
        parent: trace.parent,
        parent_is_remote: trace.parent.is_some(),
        kind: SpanKind::Internal,
        name: format!("execute_tool {name}"),
        start: report.started,
        end: report.started + report.spent.total,
        attributes,
        status,
    }
}

/// One request: <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>,
/// but for the URL, which may hold what a caller said.
fn attempt(trace: &TraceContext, step: &Step, number: usize) -> Span {
    let (host, port) = &step.server;
    let mut attributes = vec![
        KeyValue::new("http.request.method", step.method.to_string()),
        KeyValue::new("server.address", host.clone()),
    ];
    attributes.extend(port.map(|port| KeyValue::new("server.port", i64::from(port))));
    if let Ok(number @ 1..) = i64::try_from(number) {
        attributes.push(KeyValue::new("http.request.resend_count", number));
    }
    let status = match step.outcome {
        Ok(code) => {
            attributes.push(KeyValue::new("http.response.status_code", i64::from(code)));
            if code >= 400 {
                attributes.push(KeyValue::new("error.type", code.to_string()));
                Status::error(code.to_string())
            } else {
                Status::Unset
            }
        }
        Err(kind) => {
            attributes.push(KeyValue::new("error.type", kind));
            Status::error(kind)
        }
    };
    Span {
        id: step.span,
        parent: Some(trace.span),
        parent_is_remote: false,
        kind: SpanKind::Client,
        name: step.method.to_string(),
        start: step.started,
        end: step.started + step.took,
        attributes,
        status,
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // Where the collector is gone, its spans are lost.
        let _ = self.processor.shutdown();
    }
}
