import './style.css';
import { render } from 'preact';
import { App } from './app';
import { startLoading } from './load';
import { startRouting } from './route';

const root = document.getElementById('app');
if (root) {
  startRouting();
  startLoading();
  render(<App />, root);
}
