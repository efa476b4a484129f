// The command that asks an agent from a shell, in the form that voice products use.

/** A text as one word of a POSIX shell. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

export interface Asked {
  /** The address of the gateway, with a slash at its end. */
  gateway: string;
  environment: string;
  agent: string;
  text: string;
  /** Whether the gateway asks for a key. It stands as a variable of the shell. */
  hasKey: boolean;
}

export function curlCommand({ gateway, environment, agent, text, hasKey }: Asked): string {
  const body = { model: agent, stream: true, messages: [{ role: 'user', content: text }] };
  const words = [
    `curl -sN ${quoted(new URL('v1/chat/completions', gateway).href)}`,
    `-H 'Content-Type: application/json'`,
    ...(hasKey ? [`-H "Authorization: Bearer $CALLGATE_KEY"`] : []),
    `-H ${quoted(`Callgate-Environment: ${environment}`)}`,
    `-d ${quoted(JSON.stringify(body))}`,
  ];
  return words.join(' \\\n  ');
}
