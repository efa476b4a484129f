// What the dialogs that make a file have in common: their frame, their fields, and the making.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { ApiError, type Problem, api } from '../../api';
import { Dialog } from '../../components/dialog';
import { errorText } from '../../http';
import { loadActions, loadAgents, loadStatus } from '../../load';
import { visible } from '../../text';
import { problemsOf } from './access';

interface NewFileDialogProps {
  /** What is made: `action`. */
  what: string;
  file: string;
  text: () => string;
  /** Says whether the answers make a file; shows what is wrong with them otherwise. */
  ready: () => boolean;
  onClose: () => void;
  /** `refused` is why the gateway does not serve it, if it does not. */
  onMade: (file: string, refused: string | null) => void;
  children: ComponentChildren;
}

export function NewFileDialog({ what, file, text, ready, onClose, onMade, children }: NewFileDialogProps) {
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<{ why: string; problems: readonly Problem[] } | null>(null);
  const id = `new-${what}`;

  const make = async (): Promise<void> => {
    if (!ready()) return;
    setBusy(true);
    try {
      const saved = await api.saveDefinition(file, text(), null);
      void loadActions();
      void loadAgents();
      void loadStatus();
      onMade(file, saved.refused ?? null);
    } catch (error) {
      const there = error instanceof ApiError && error.status === 412;
      setRefused({
        why: there ? 'There is a file of this name.' : errorText(error),
        problems: error instanceof ApiError ? problemsOf(error) : [],
      });
    } finally {
      setBusy(false);
    }
  };

  return (
    <Dialog
      title={`New ${what}`}
      onClose={onClose}
      testid={`${id}-dialog`}
      actions={
        <>
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" form={id} class="button button-primary" disabled={busy} data-testid={`${id}-make`}>
            Create {what}
          </button>
        </>
      }
    >
      <form
        id={id}
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void make();
        }}
      >
        {children}
        {refused !== null && (
          <div class="notice notice-error" role="alert" data-testid={`${id}-refused`}>
            <p class="isolate">Not created. {visible(refused.why)}</p>
            {refused.problems.map(({ file, line, message }, at) => (
              <p key={at} class="isolate">
                {visible(`${file}:${line}: ${message}`)}
              </p>
            ))}
          </div>
        )}
      </form>
    </Dialog>
  );
}

interface FieldProps {
  label: string;
  id: string;
  fault?: string | undefined;
  children: ComponentChildren;
}

export function Field({ label, id, fault, children }: FieldProps) {
  return (
    <div class="new-file-field">
      <label class="label" for={id}>
        {label}
      </label>
      {children}
      {fault !== undefined && (
        <p class="error-text" role="alert">
          {fault}
        </p>
      )}
    </div>
  );
}

interface TextFieldProps {
  label: string;
  id: string;
  value: string;
  fault?: string | undefined;
  placeholder?: string;
  onType: (value: string) => void;
}

/** A line of code: a name, a path, a URL. */
export function TextField({ label, id, value, fault, placeholder, onType }: TextFieldProps) {
  return (
    <Field label={label} fault={fault} id={id}>
      <input
        id={id}
        class="input mono"
        value={value}
        placeholder={placeholder}
        spellcheck={false}
        autocomplete="off"
        aria-invalid={fault !== undefined}
        onInput={(event) => onType(event.currentTarget.value)}
        data-testid={id}
      />
    </Field>
  );
}

/** Some lines for people or models. */
export function ProseField({ label, id, value, fault, onType }: Omit<TextFieldProps, 'placeholder'>) {
  return (
    <Field label={label} fault={fault} id={id}>
      <textarea
        id={id}
        class="textarea"
        value={value}
        aria-invalid={fault !== undefined}
        onInput={(event) => onType(event.currentTarget.value)}
        data-testid={id}
      />
    </Field>
  );
}

interface ChoiceFieldProps {
  label: string;
  id: string;
  value: string;
  options: readonly string[];
  /** What it says where none of the options is taken; there is no such choice without it. */
  none?: string;
  onChoose: (value: string) => void;
}

export function ChoiceField({ label, id, value, options, none, onChoose }: ChoiceFieldProps) {
  return (
    <Field label={label} id={id}>
      <select
        id={id}
        class="select"
        value={value}
        onChange={(event) => onChoose(event.currentTarget.value)}
        data-testid={id}
      >
        {options.map((one) => (
          <option key={one} value={one} selected={one === value}>
            {visible(one)}
          </option>
        ))}
        {none !== undefined && (
          <option value="" selected={value === ''}>
            {none}
          </option>
        )}
      </select>
    </Field>
  );
}
