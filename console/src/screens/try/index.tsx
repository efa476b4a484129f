// Try: choose an action, fill in its arguments, see the request, send it, see all that came of it.
import { useEffect } from 'preact/hooks';
import { Lazy } from '../../components/lazy';
import { environments, actions, environment } from '../../state';
import { go, href, route } from '../../route';
import { visible } from '../../text';
import { ActionList } from './action-list';
import { action } from './call';
import { CallPanel } from './call-panel';
import { HistoryPanel } from './history-panel';
import { PreviewPanel } from './preview-panel';
import { startPreview } from './preview';
import { shown, shownId } from './runs';
import { SendBar } from './send-bar';

/** The tree of an answer is not needed before there is one. */
const loadRunPanel = () => import('./run-panel').then((module) => ({ default: module.RunPanel }));

export default function TryScreen() {
  useEffect(startPreview, []);
  // It is there before it is needed: a gateway that stops while a call is under way must not hide the outcome.
  useEffect(() => void loadRunPanel(), []);
  const list = actions.value;
  const named = route.value.path[1];

  // The first action is shown where the address names none, as a place of its own.
  useEffect(() => {
    const [first] = list ?? [];
    if (named === undefined && first && environments.value?.includes(environment.value)) {
      go(href('try', [environment.value, first.name]), true);
    }
  }, [list, named]);

  // The result of another action would stand in for the one that is chosen now.
  useEffect(() => {
    if (named !== undefined && shown.peek() && shown.peek()?.call.name !== named) shownId.value = null;
  }, [named]);

  if (!list) return <p class="hint">Loading the actions…</p>;
  if (list.length === 0) return <p class="empty">There is no action in this environment.</p>;
  return (
    <div class="try">
      <h1 class="visually-hidden">Try an action</h1>
      <ActionList actions={list} chosen={named ?? null} />
      {action.value ? (
        <div class="try-panes">
          <div class="try-form">
            <CallPanel action={action.value} />
            <SendBar action={action.value} />
          </div>
          <div class="stack stack-large try-output">
            {shown.value && <Lazy load={loadRunPanel} name="Result" />}
            <PreviewPanel />
            <HistoryPanel />
          </div>
        </div>
      ) : (
        <p class="notice notice-error" role="alert" data-testid="unknown-action">
          {named === undefined
            ? 'Choose an action.'
            : `There is no action “${visible(named)}” in ${visible(environment.value)}. What you typed is kept.`}
        </p>
      )}
    </div>
  );
}
