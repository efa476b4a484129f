// What is typed and what is on disk have parted ways: shows the difference, and asks which one is to stay.
import { TextDiff } from '../../components/diff';
import type { FileStore } from './file-store';
import { toEditor } from './line-ends';

interface ConflictProps {
  store: FileStore;
  onSave: (over: { disk: { text: string; version: string } | null }) => void;
}

export function Conflict({ store, onSave }: ConflictProps) {
  const conflict = store.conflict.value;
  if (conflict === null) return null;
  const { disk } = conflict;
  return (
    <section class="notice notice-warn stack" aria-label="Changed on disk" data-testid="conflict">
      <p role="alert">
        <strong>{disk === null ? 'The file is gone from the disk.' : 'The file has changed on disk.'}</strong> What you
        have typed is here still.
      </p>
      {disk !== null && (
        <TextDiff
          before={toEditor(disk.text)}
          after={store.text.value}
          label="The difference between the file on disk and what is typed"
          beforeName="on disk"
          afterName="typed"
        />
      )}
      <div class="row">
        <button type="button" class="button" onClick={() => store.takeDisk()} data-testid="conflict-take">
          {disk === null ? 'Give up what is typed' : 'Take the version on disk'}
        </button>
        <button
          type="button"
          class="button button-primary"
          disabled={store.saving.value}
          onClick={() => onSave(conflict)}
          data-testid="conflict-keep"
        >
          {disk === null ? 'Keep mine and make the file again' : 'Keep mine and save over it'}
        </button>
      </div>
    </section>
  );
}
