// Opens a call in Try: fills in the form and sends nothing.
import { load } from '../../form/load';
import { objectOf } from '../../form/merge';
import { tryParse } from '../../json/index';
import { go, href } from '../../route';
import { actions, conversationId, environment } from '../../state';
import { changeOf } from './call';

export interface CallToOpen {
  environment: string;
  action: string;
  /** A JSON text of the arguments. */
  arguments: string;
  conversation?: string;
  variables?: string;
  deadline?: string;
}

export function openInTry(call: CallToOpen): void {
  const known = environment.peek() === call.environment ? actions.peek() : null;
  const action = known?.find((one) => one.name === call.action);
  const node = tryParse(call.arguments);
  let draft;
  try {
    draft = action && node?.kind === 'object' ? load(objectOf(action.parameters), call.arguments) : null;
  } catch {
    draft = null;
  }
  changeOf(call.action, {
    draft: draft ?? { '': { mode: 'raw', raw: call.arguments } },
    variables: call.variables ?? '',
    deadline: call.deadline ?? '',
  });
  if (call.conversation !== undefined) conversationId.value = call.conversation;
  go(href('try', [call.environment, call.action]));
}
