// Much that comes at once, taken in slices between which the page can breathe.

const sliceMs = 8;

function nextTask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** The same items; where taking them has kept the page busy for a while, it gets a pause. */
export async function* inSlices<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
  let sliceEnd = performance.now() + sliceMs;
  for await (const item of items) {
    yield item;
    if (performance.now() > sliceEnd) {
      await nextTask();
      sliceEnd = performance.now() + sliceMs;
    }
  }
}
