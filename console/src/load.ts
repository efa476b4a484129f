// Loads what the whole page shares, and loads it again when it may have changed.
import { effect } from '@preact/signals';
import { ApiError, api, errorText } from './api';
import { actions, agents, environment, environments, reconnections, refused, status, unreachable } from './state';

const EVERY_MS = 15_000;
const STATUS_EVERY_MS = 5_000;
const PROBE_MS = 4_000;

export async function loadEnvironments(): Promise<void> {
  try {
    environments.value = (await api.environments()).environments;
    refused.value = null;
  } catch (error) {
    refuse(error);
  }
}

/** Where there is no answer at all, the banner says so; what is a refusal is told in place of the screen. */
function refuse(error: unknown): void {
  if (!(error instanceof ApiError && error.status === 0)) refused.value = errorText(error);
}

/** Asks for the actions again; what is shown stays until the answer is there. */
export async function loadActions(): Promise<void> {
  const wanted = environment.peek();
  if (wanted === '') return;
  try {
    const answer = await api.actions(wanted);
    if (environment.peek() !== wanted) return;
    refused.value = null;
    if (JSON.stringify(answer.actions) !== JSON.stringify(actions.peek())) {
      actions.value = answer.actions;
    }
  } catch (error) {
    if (environment.peek() === wanted) refuse(error);
  }
}

/** Asks for the agents again; what is shown stays where there is no answer. */
export async function loadAgents(): Promise<void> {
  const wanted = environment.peek();
  if (wanted === '') return;
  try {
    const answer = await api.agents(wanted);
    if (environment.peek() !== wanted) return;
    if (JSON.stringify(answer.agents) !== JSON.stringify(agents.peek())) agents.value = answer.agents;
  } catch (error) {
    // What is wrong is said of the actions; a gateway that is away may have agents when it comes back.
    const isAway = error instanceof ApiError && error.status === 0;
    if (!isAway && environment.peek() === wanted) agents.value ??= [];
  }
}

export async function loadStatus(): Promise<void> {
  try {
    status.value = await api.status();
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) status.value = null;
  }
}

export async function tryAgain(): Promise<void> {
  await loadEnvironments();
  await Promise.all([loadActions(), loadAgents()]);
}

function visibleTab(): boolean {
  return document.visibilityState === 'visible';
}

export function startLoading(): void {
  effect(() => {
    void reconnections.value;
    void loadEnvironments();
    void loadStatus();
  });
  let shown = '';
  effect(() => {
    void reconnections.value;
    const name = environment.value;
    if (!environments.value?.includes(name)) return;
    if (name !== shown) {
      actions.value = null;
      agents.value = null;
    }
    shown = name;
    void loadActions();
    void loadAgents();
  });
  const canAsk = () => visibleTab() && unreachable.peek() === null;
  const refreshActions = () => {
    if (!canAsk()) return;
    void loadActions();
    void loadAgents();
  };
  const refreshStatus = () => canAsk() && void loadStatus();
  addEventListener('focus', refreshActions);
  addEventListener('focus', refreshStatus);
  setInterval(refreshActions, EVERY_MS);
  setInterval(refreshStatus, STATUS_EVERY_MS);
  setInterval(() => {
    if (visibleTab() && unreachable.peek() !== null) void tryAgain();
  }, PROBE_MS);
}
