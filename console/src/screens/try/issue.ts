// A call as Markdown, to paste where somebody can help. It has what the gateway shows, with the same things hidden.
import { api } from '../../api';
import { memberOf, print, tryParse } from '../../json/index';
import { actions, status } from '../../state';
import { withoutHidden } from './hide';
import { inspectionOf, resultOf, type Run } from './runs';

/** A block of code whose fence is longer than any in the text. */
function fenced(language: string, text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((match) => match[0].length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${text.replace(/\n$/, '')}\n${fence}`;
}

function pretty(json: string): string {
  const node = tryParse(json);
  return node ? print(node, 2) : json;
}

/** The arguments as the feed has them, where the gateway hides what is sensitive. */
async function maskedArguments(run: Run): Promise<string> {
  const { conversation_id: id, environment } = run.call;
  if (id) {
    try {
      for (let after: number | null = 0; after !== null; ) {
        const page = await api.eventsText(id, environment, after, 500);
        const events = memberOf(page, 'events');
        for (const event of events?.kind === 'array' ? events.items : []) {
          const data = memberOf(event, 'data');
          const called = data && memberOf(data, 'tool_call_id');
          const type = memberOf(event, 'type');
          if (type?.kind !== 'string' || type.value !== 'tool_called') continue;
          if (called?.kind === 'string' && called.value === run.id) {
            const given = data && memberOf(data, 'arguments');
            return given ? print(given, 2) : '(left out by the gateway)';
          }
        }
        const next = memberOf(page, 'next');
        after = next?.kind === 'number' ? Number(next.raw) : null;
      }
    } catch {
      // The feed may be gone; what was typed is told instead.
    }
  }
  const action = actions.peek()?.find((one) => one.name === run.call.name);
  const plain = action !== undefined && !JSON.stringify(action.parameters).includes('"x-sensitive"');
  return plain ? pretty(run.call.arguments) : '(left out: they may hold what is sensitive)';
}

async function definition(run: Run): Promise<string[]> {
  try {
    const { file, text } = await api.actionDefinition(run.call.name, run.call.environment);
    return [`### Definition: \`${file}\``, fenced('yaml', text)];
  } catch {
    return [];
  }
}

export async function issueText(run: Run): Promise<string> {
  const result = resultOf(run);
  const inspection = inspectionOf(run);
  const outcome = result
    ? `${result.status}${result.error ? ` (${result.error.code})` : ''}`
    : (run.failed ?? 'no result');
  const given = await maskedArguments(run);
  const parts = [
    `## \`${run.call.name}\` in ${run.call.environment}: ${outcome}`,
    `${new Date(run.at).toISOString()}, Callgate ${status.peek()?.version ?? '(version not known)'}, \`${run.id}\``,
    '### Arguments',
    fenced('json', given),
  ];
  const variables = run.call.variables ? tryParse(run.call.variables) : null;
  if (variables?.kind === 'object') {
    parts.push(`Variables of the call: ${variables.members.map((member) => `\`${member.name}\``).join(', ')}`);
  }
  if (run.curl) parts.push('### Request', fenced('sh', run.curl));
  if (run.said.length > 0) {
    const lines = run.said.map((said) => `- ${Math.round(said.ms)} ms: ${said.text.replaceAll('\n', ' ')}`);
    parts.push('### What the caller hears', lines.join('\n'));
  }
  if (run.result) parts.push('### Result', fenced('json', pretty(run.result)));
  const response = inspection?.response;
  if (response) {
    const headers = Object.entries(response.headers).map(([name, value]) => `${name}: ${value}`);
    parts.push(
      '### What the upstream said',
      fenced('http', [`HTTP ${response.status}`, ...headers, '', response.body].join('\n')),
    );
  }
  if (inspection) {
    const rows = inspection.phases.map(
      (phase) => `| ${phase.phase} | ${phase.attempt ?? ''} | ${phase.start_ms} | ${phase.ms} |`,
    );
    parts.push('### Times', ['| Phase | Attempt | Start ms | ms |', '|---|---|---|---|', ...rows].join('\n'));
  }
  const definitionParts = await definition(run);
  return `${[withoutHidden(parts.join('\n\n'), run.call.arguments, given), ...definitionParts].join('\n\n')}\n`;
}
