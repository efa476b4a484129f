// What the gateway answers, as docs/http-api.md describes it.

/** A value of JSON whose numbers need no more digits than a double has. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

export interface OutputVariable {
  name: string;
  exposed: boolean;
  sensitive: boolean;
}

export interface Action {
  name: string;
  description: string;
  type: string;
  method?: string;
  /** The JSON Schema of the arguments. */
  parameters: Schema;
  timeout_ms: number;
  expected_ms?: { p50: number; p95: number };
  output_variables: OutputVariable[];
  max_calls?: number;
  only_after?: Json;
  available_in?: string[];
  file?: string;
  is_write?: boolean;
}

export interface Agent {
  name: string;
  description: string;
  /** The models that it asks, the first one first. */
  models: string[];
  /** The actions that it may call in some state. */
  actions: string[];
  file?: string;
}

export type Schema = boolean | SchemaObject;

export interface SchemaObject {
  type?: string | string[];
  title?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema;
  items?: Schema;
  prefixItems?: Schema[];
  minItems?: number;
  maxItems?: number;
  enum?: Json[];
  const?: Json;
  default?: Json;
  examples?: Json[];
  format?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  pattern?: string;
  oneOf?: Schema[];
  anyOf?: Schema[];
  allOf?: Schema[];
  if?: Schema;
  then?: Schema;
  else?: Schema;
  not?: Schema;
  $ref?: string;
  $defs?: Record<string, Schema>;
  [keyword: string]: unknown;
}

export interface Violation {
  pointer: string;
  keyword: string;
  expected?: string;
  got?: string;
  sentence: string;
}

export interface CallError {
  code: string;
  message: string;
  effect?: string;
  retry?: string;
  violations?: Violation[];
  missing?: string;
  missing_all?: string[];
}

export interface WireRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  /** Text as it is sent; older gateways give a JSON body as JSON. */
  body: string | null;
}

export type Source =
  | 'argument'
  | 'default'
  | 'bound'
  | 'call_variable'
  | 'conversation_variable'
  | 'static_variable'
  | 'secret'
  | 'credential'
  | 'computed';

export interface Segment {
  text: string;
  reference?: string;
  source?: Source;
  masked?: boolean;
  file?: string;
  line?: number;
  column?: number;
}

export interface Branch {
  condition: string;
  taken: boolean;
  file: string;
  line: number;
  column: number;
}

export interface Preview {
  request?: WireRequest;
  curl?: string;
  credentials?: { variable: string; meaning: string }[];
  parts?: { url: Segment[]; headers: Record<string, Segment[]>; body: Segment[] | null };
  branches?: Branch[];
  error?: CallError;
}

export interface Started {
  tool_call_id: string;
  name: string;
  text?: string;
  expected_ms?: { p50: number; p95: number };
}

export interface Delayed {
  tool_call_id: string;
  name: string;
  text: string;
  after_ms: number;
}

export interface Phase {
  phase: string;
  attempt: number | null;
  start_ms: number;
  ms: number;
}

export interface WrittenVariable {
  name: string;
  value?: Json;
  sensitive?: boolean;
  exposed?: boolean;
  hidden?: boolean;
  set?: boolean;
  unset?: boolean;
}

export interface UpstreamResponse {
  status: number;
  headers: Record<string, string>;
  body: string;
  bytes: number;
  json: boolean;
  masked: string[];
  /** Whether the text is only the beginning, and of how much. */
  cut: { shown: number; of: number; unit: string } | boolean | null;
}

export interface Inspection {
  tool_call_id: string;
  request: WireRequest | null;
  response: UpstreamResponse | null;
  variables: WrittenVariable[];
  attempts: number;
  total_ms: number;
  phases: Phase[];
}

export interface CallResult {
  tool_call_id: string;
  name: string;
  status: 'success' | 'error' | 'failure' | 'exception';
  status_code: number | null;
  variables: Record<string, Json>;
  error: CallError | null;
  attempts: number;
  duration_ms: number;
  timestamp: string;
  headers?: Record<string, string>;
  handover?: Json;
  replayed?: boolean;
  speech?: { failed?: string };
}

export interface Variable {
  value: Json;
  source: { by: string; tool_call_id?: string; action?: string };
  sensitive: boolean;
  exposed: boolean;
  hidden: boolean;
  set_at: string;
}

export interface ConversationHead {
  id: string;
  environment: string;
  current_state: string | null;
  started_at: string;
  expires_at: string;
  ended_at: string | null;
}

export interface Conversation extends ConversationHead {
  variables: Record<string, Variable>;
}

export interface ConversationPage {
  environment: string;
  conversations: ConversationHead[];
  next: string | null;
}

export interface FeedEvent {
  id: number;
  type: string;
  at: string;
  data: Record<string, Json>;
}

export interface FeedPage {
  events: FeedEvent[];
  newest: number;
  gap: boolean;
  next: number | null;
}

export interface Problem {
  severity: 'error' | 'warning';
  file: string;
  line: number;
  column: number;
  code: string;
  message: string;
  hint: string | null;
}

export interface Problems {
  loaded_at: string;
  problems: Problem[];
  refused: null | { at: string; reason: string; problems: Problem[] };
}

export type DefinitionKind = 'action' | 'agent' | 'connection' | 'auth' | 'variables';

export interface DefinitionFile {
  file: string;
  kind: DefinitionKind;
  name: string;
}

export interface Definition {
  file: string;
  kind: DefinitionKind;
  text: string;
  version: string;
}

export interface ActionDefinition {
  file: string;
  text: string;
  version: string;
  templates: {
    line: number;
    column: number;
    target: string;
    references: { reference: string; line: number; column: number; guarded: boolean }[];
  }[];
  static_variables: Record<string, Json>;
}

export interface Branches {
  combinations: {
    decisions: { condition: string; line: number; column: number; taken: boolean }[];
    text: string;
    problem: string | null;
  }[];
  truncated: boolean;
}

export interface Spec {
  format: string;
  strict: boolean;
  spec: Json;
  bytes: number;
  tokens: number;
  kept: number;
  lowered: number;
  lost: number;
  notes: { pointer: string; fate: 'lowered' | 'lost'; how: string }[];
  limits: { what: string; found: number; limit: number | null }[];
}

export interface EnvironmentStatus {
  name: string;
  connections: {
    name: string;
    breaker: 'closed' | 'open' | 'half_open';
    running: number;
    waiting: number;
    origin?: string;
    max_in_flight?: number | null;
    max_concurrent?: number | null;
    certificate: null | { expires_at: string };
  }[];
  connectors: { name: string; token: 'none' | 'valid' | 'expired' | 'backing_off'; expires_at: string | null; fetched?: number; failed?: number }[];
  actions: { name: string; calls: number; failed: number; latency: { le_ms: number | null; calls: number }[] }[];
  errors: {
    at: string;
    action: string;
    code: string;
    message: string;
    tool_call_id: string;
    conversation_id: string | null;
  }[];
}

export interface Status {
  version: string;
  started_at: string;
  /** Whether definitions may be changed. */
  edit: boolean;
  /** Whether this caller may see and do what only an admin may. */
  admin: boolean;
  loaded_at: string;
  reload: null | { at: string; outcome: 'taken' | 'refused'; errors: number; warnings: number };
  calls: { in_flight: number; most: number };
  store: { backend: string; warnings: string[] };
  environments: EnvironmentStatus[];
}
