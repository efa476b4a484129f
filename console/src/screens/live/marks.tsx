interface MarksProps {
  sensitive?: boolean;
  exposed?: boolean;
  hidden?: boolean;
}

const words: ReadonlyArray<[keyof MarksProps, string]> = [
  ['sensitive', 'It is *** in replies, logs and events.'],
  ['exposed', 'The model may see it.'],
  ['hidden', 'It is taken out of what the model sees.'],
];

const tones: Record<keyof MarksProps, string> = { sensitive: 'badge-error', exposed: 'badge-ok', hidden: 'badge-warn' };

/** The marks of a variable, in words. */
export function Marks(marks: MarksProps) {
  return (
    <>
      {words.map(
        ([mark, meaning]) =>
          marks[mark] && (
            <span key={mark} class={`badge ${tones[mark]}`} title={meaning}>
              {mark}
            </span>
          ),
      )}
    </>
  );
}
