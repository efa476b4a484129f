// What is asked before something that is typed and not saved goes out of sight.
import { Dialog } from '../../components/dialog';
import { visible } from '../../text';
import type { FileStore } from './file-store';
import type { Guard } from './guard';

interface LeaveDialogProps {
  guard: Guard;
  store: FileStore;
  onSave: () => Promise<boolean>;
}

export function LeaveDialog({ guard, store, onSave }: LeaveDialogProps) {
  return (
    <Dialog
      title="Unsaved changes"
      closeButton={false}
      onClose={guard.stay}
      testid="leave-dialog"
      actions={
        <>
          <button type="button" class="button" onClick={guard.leave} data-testid="leave-keep">
            Keep draft
          </button>
          <button
            type="button"
            class="button"
            data-testid="leave-discard"
            onClick={() => {
              store.discard();
              guard.leave();
            }}
          >
            Discard
          </button>
          <button
            type="button"
            class="button button-primary"
            data-testid="leave-save"
            onClick={async () => {
              if (await onSave()) guard.leave();
              else guard.stay();
            }}
          >
            Save
          </button>
        </>
      }
    >
      <p>
        A draft stays in this tab. The gateway does not use it until you save it. Press <kbd>Escape</kbd> to stay here.
      </p>
    </Dialog>
  );
}

interface DiscardDialogProps {
  file: string;
  onClose: () => void;
  onDiscard: () => void;
}

export function DiscardDialog({ file, onClose, onDiscard }: DiscardDialogProps) {
  return (
    <Dialog
      title={`Discard your changes to ${visible(file)}?`}
      closeButton={false}
      onClose={onClose}
      testid="discard-dialog"
      actions={
        <>
          <button type="button" class="button" onClick={onClose} data-testid="discard-cancel">
            Cancel
          </button>
          <button type="button" class="button button-primary" onClick={onDiscard} data-testid="discard-confirm">
            Discard
          </button>
        </>
      }
    >
      <p>Undo in the editor brings them back while the file is open.</p>
    </Dialog>
  );
}
