// The files of the project by kind, with a search; on a narrow page one select.
import { useState } from 'preact/hooks';
import type { DefinitionFile } from '../../api';
import { definitionHref, go } from '../../route';
import { visible } from '../../text';
import { draftsChanged, hasDraft } from './access';
import { HEADINGS } from './kinds';

interface FileListProps {
  files: readonly DefinitionFile[];
  chosen: string | null;
}

function matches({ file, name }: DefinitionFile, needle: string): boolean {
  const lower = needle.trim().toLowerCase();
  return file.toLowerCase().includes(lower) || name.toLowerCase().includes(lower);
}

export function FileList({ files, chosen }: FileListProps) {
  const [needle, setNeedle] = useState('');
  void draftsChanged.value;
  const found = files.filter((file) => matches(file, needle));
  return (
    <nav class="definition-files" aria-label="Definition files">
      <select
        class="select definition-select"
        aria-label="File"
        value={chosen ?? ''}
        data-testid="file-select"
        onChange={(event) => {
          const { value } = event.currentTarget;
          // Shows the file that is open until the other one is: the change may be refused.
          event.currentTarget.value = chosen ?? '';
          if (value !== '') go(definitionHref(value));
        }}
      >
        {chosen === null && <option value="">Choose a file</option>}
        {HEADINGS.map(([kind, label]) => {
          const group = files.filter((file) => file.kind === kind);
          return (
            group.length > 0 && (
              <optgroup key={kind} label={label}>
                {group.map(({ file }) => (
                  <option key={file} value={file} selected={file === chosen}>
                    {visible(file)}
                    {hasDraft(file) ? ' (not saved)' : ''}
                  </option>
                ))}
              </optgroup>
            )
          );
        })}
      </select>
      <div class="definition-list">
        <input
          type="search"
          class="input"
          placeholder="Find a file"
          aria-label="Find a file"
          value={needle}
          onInput={(event) => setNeedle(event.currentTarget.value)}
          data-testid="file-search"
        />
        {found.length === 0 && <p class="hint">No file of this name.</p>}
        {HEADINGS.map(([kind, label]) => {
          const group = found.filter((file) => file.kind === kind);
          return (
            group.length > 0 && (
              <section key={kind}>
                <h2 class="definition-kind">{label}</h2>
                <ul>
                  {group.map(({ file, name }) => (
                    <li key={file}>
                      <a
                        class="definition-file"
                        href={definitionHref(file)}
                        title={file}
                        aria-current={file === chosen ? 'page' : undefined}
                        data-testid={`file-${file}`}
                      >
                        <span class="isolate">{visible(name)}</span>
                        {hasDraft(file) && <span class="badge badge-warn">not saved</span>}
                      </a>
                    </li>
                  ))}
                </ul>
              </section>
            )
          );
        })}
      </div>
    </nav>
  );
}
