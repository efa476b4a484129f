import { print, type Node } from '../../json';
import { openInTry } from '../try/open';

interface OpenInTryProps {
  environment: string;
  action: string;
  conversation: string;
  calledArguments: Node;
}

/** Fills in Try with a call of the feed; sending it is for the person to do. */
export function OpenInTry({ environment, action, conversation, calledArguments }: OpenInTryProps) {
  const open = () => openInTry({ environment, action, conversation, arguments: print(calledArguments) });
  return (
    <button type="button" class="button button-small" onClick={open} data-testid="open-in-try">
      Open in Try
    </button>
  );
}
