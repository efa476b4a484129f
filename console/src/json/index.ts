export * from './node';
export { JsonSyntaxError, parse, parseInSlices, pause, tryParse } from './parse';
export { copyText, pretty, print, quote } from './print';
export { listPathOf, pathOf, pathOfSteps } from './path';
export { VARIABLE_NAME, namesCollide, suggestName, templateReference } from './reference';
export { cut, escapeOfCode, hiddenCharacters, visibleJson, visiblePieces } from './visible';
export type { Piece } from './visible';
