// A part of the page whose script is loaded when it is needed.
import { Component, type ComponentChildren, type ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { errorText } from '../http';

type Loader = () => Promise<{ default: ComponentType }>;

export function Lazy({ load, name }: { load: Loader; name: string }) {
  const [loaded, setLoaded] = useState<{ component: ComponentType } | null>(null);
  const [failed, setFailed] = useState<string | null>(null);
  useEffect(() => {
    load().then(
      (module) => setLoaded({ component: module.default }),
      (error: unknown) => setFailed(errorText(error)),
    );
  }, [load]);
  if (failed !== null) {
    return (
      <div class="notice notice-error" role="alert">
        <p>The console cannot load the screen “{name}”. The gateway may have been replaced by another version.</p>
        <p class="hint">{failed}</p>
        <button type="button" class="button" onClick={() => location.reload()}>
          Load the page again
        </button>
      </div>
    );
  }
  if (!loaded) return <p class="hint">Loading…</p>;
  return <loaded.component />;
}

interface BoundaryProps {
  children: ComponentChildren;
  fallback: (error: string, again: () => void) => ComponentChildren;
}

/** Shows something else where a part of the page throws. */
export class Boundary extends Component<BoundaryProps, { failed: string | null }> {
  override state = { failed: null as string | null };

  override componentDidCatch(error: unknown) {
    this.setState({ failed: errorText(error) });
  }

  override render() {
    const { failed } = this.state;
    return failed === null ? this.props.children : this.props.fallback(failed, () => this.setState({ failed: null }));
  }
}
