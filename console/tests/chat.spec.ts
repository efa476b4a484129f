// Chat: what is said, what stands between the lines, and what a person can do meanwhile.
import { expectUsable, inEveryLook, picture, tabTo } from './support/access';
import { frontDesk, withAgents, type AgentGateway, type AskedTurn } from './support/agent';
import { orderStatus, uniqueId } from './support/calls';
import { expect, test as base, type Page } from './support/fixtures';
import { agentOf } from './support/project';
import { longestAllowed, longestTaskDuring } from './support/tasks';

const test = base.extend<{ chats: AgentGateway }>({
  chats: async ({ demo, leftovers }, use) => {
    const chats = await withAgents(demo);
    leftovers.push(() => chats.stop());
    await use(chats);
  },
});

const field = (page: Page) => page.getByTestId('chat-message');
const turns = (page: Page) => page.getByTestId('chat-turn');
const lines = (page: Page) => page.getByTestId('chat-line');

let opened = 0;

/** An id as the page makes them up, which no other test has. */
function freshId(): string {
  opened += 1;
  return `chat-${(process.pid * 256 + opened).toString(16).padStart(8, '0')}`;
}

/** Opens the agent in a conversation that has not begun. */
async function openChat(page: Page, chats: AgentGateway, id = freshId()): Promise<string> {
  await page.goto(`${chats.consoleUrl}#/chat/development/front_desk/${id}`);
  await expect(field(page)).toBeFocused();
  return id;
}

async function say(page: Page, chats: AgentGateway, text: string): Promise<AskedTurn> {
  await field(page).fill(text);
  await field(page).press('Enter');
  return chats.turn();
}

/** A round that calls an action, a filler meanwhile, and the answer. */
function wholeTurn(turn: AskedTurn, call = 'call_1'): void {
  turn.send('round', { round: 1, model: 'gpt-4.1-mini', first_token_ms: 412, took_ms: 700, calls: ['get_order_status'] });
  turn.send('tool_started', { tool_call_id: call, name: 'get_order_status', arguments: { order_number: 'ORD-12345' } });
  turn.send('text', { text: 'One moment. ', source: 'start', at_ms: 1210 });
  turn.send('text', { text: 'It takes a little longer. ', source: 'delayed', at_ms: 3480 });
  turn.send('tool_ended', {
    tool_call_id: call,
    name: 'get_order_status',
    status: 'success',
    duration_ms: 123,
    replayed: true,
    content: '{"order.status":"shipped"}',
  });
  turn.say('Your order ', 'is on ', 'its way.');
  turn.send('round', { round: 2, model: 'gpt-4.1-mini', first_token_ms: 250, took_ms: 900, calls: [] });
  turn.done({ at_ms: 4200 });
}

test('the way to Chat is there where there are agents', async ({ chats, page, visit }) => {
  chats.agents = { development: [frontDesk], production: [] };
  await visit(chats, '#/live/development');
  await expect(page.getByTestId('nav-chat')).toBeVisible();
  await page.getByTestId('env-select').selectOption('production');
  await expect(page.getByTestId('nav-chat')).toBeHidden();
  await page.getByTestId('env-select').selectOption('development');
  await page.getByTestId('nav-chat').click();
  await expect(page).toHaveURL(/#\/chat\/development\/front_desk\/chat-[0-9a-f]{8}$/);
  await expect(page).toHaveTitle('front_desk · Chat · Callgate console');
  await expect(page.getByTestId('about-agent')).toContainText('Answers for the shop.');
  await expect(page.getByTestId('about-agent')).toContainText('gpt-4.1-mini, else claude-haiku-4-5');
  await page.getByText('2 actions').click();
  await expect(page.getByTestId('about-agent')).toContainText('get_order_status');
  // The environment that is left behind has none.
  await page.getByTestId('env-select').selectOption('production');
  await expect(page.getByTestId('no-agents')).toContainText('agents/<name>.yaml');
});

test('what an agent says streams, with what it does between the lines', async ({ chats, page }) => {
  const id = await openChat(page, chats);
  const turn = await say(page, chats, 'Where is my order?');
  expect(turn.agent).toBe('front_desk');
  expect(turn.body).toEqual({ environment: 'development', conversation_id: id, text: 'Where is my order?', source: 'console' });
  await expect(field(page)).toHaveValue('');
  await expect(page.getByTestId('transcript')).toHaveAttribute('aria-busy', 'true');
  turn.say('Let me ', 'look.');
  await expect(lines(page)).toHaveText(['Let me look.']);
  turn.say(' It takes');
  await expect(lines(page)).toHaveText(['Let me look. It takes']);
  wholeTurn(turn);
  await expect(turns(page)).toHaveAttribute('data-state', 'done');
  await expect(page.getByTestId('transcript')).toHaveAttribute('aria-busy', 'false');

  await expect(turns(page)).toContainText('Where is my order?');
  await expect(lines(page).nth(0)).toHaveText('Let me look. It takes');
  await expect(lines(page).nth(1)).toContainText('+1.2 s start filler');
  await expect(lines(page).nth(1)).toContainText('One moment.');
  await expect(lines(page).nth(2)).toContainText('+3.5 s delayed filler');
  await expect(lines(page).nth(3)).toHaveText('Your order is on its way.');
  await expect(page.getByTestId('chat-cost')).toHaveText('4200 ms · 210 tokens in, 12 out');

  const rounds = page.getByTestId('chat-round');
  await expect(rounds).toHaveCount(2);
  const first = rounds.first();
  await expect(first).toContainText('Round 1: 1 call');
  await expect(first).toContainText('first token 412 ms');
  await expect(first).toContainText('took 700 ms');
  await expect(first).toContainText('success');
  await expect(page.getByTestId('chat-call')).toBeHidden();
  await first.locator('summary').click();
  const call = page.getByTestId('chat-call');
  await expect(call).toContainText('123 ms');
  await expect(call).toContainText('replayed');
  await expect(call).toContainText('{"order_number":"ORD-12345"}');
  await expect(call).toContainText('{"order.status":"shipped"}');
  // Nothing is folded in the last one.
  await expect(rounds.last().locator('summary')).toHaveCount(0);
  await expect(rounds.last()).toContainText('Round 2');
});

test('a call leads to itself in Live', async ({ chats, page }) => {
  const id = await openChat(page, chats);
  for (let number = 0; number < 12; number += 1) await orderStatus(chats, id, `other-x${number}y`);
  const turn = await say(page, chats, 'Where is my order?');
  await orderStatus(chats, id, 'call_wanted', 'ORD-50300');
  for (let number = 0; number < 12; number += 1) await orderStatus(chats, id, `after-x${number}y`);
  wholeTurn(turn, 'call_wanted');
  await expect(turns(page)).toHaveAttribute('data-state', 'done');
  await page.getByTestId('chat-round').first().locator('summary').click();
  await page.getByTestId('call-in-live').click();
  await expect(page).toHaveURL(new RegExp(`#/live/development/${id}\\?call=call_wanted$`));
  await expect(page.getByTestId('call-arguments')).toContainText('ORD-50300');
  await expect(page.getByTestId('call-arguments')).toBeInViewport();
  const opened = page.getByTestId('call-toggle').and(page.locator('[aria-expanded=true]'));
  await expect(opened).toHaveCount(1);
  await expect(opened).toBeFocused();
  // It is gone to once: what comes next is up to the reader.
  await opened.click();
  await orderStatus(chats, id, 'later-z');
  await expect(page.getByTestId('call-card')).toHaveCount(26);
  await expect(page.getByTestId('call-arguments')).toBeHidden();
});

test('the feed beside the transcript shows the calls as they are made', async ({ chats, page }) => {
  const id = await openChat(page, chats);
  await expect(page.getByTestId('chat-feed')).toContainText('begins with the first message');
  const turn = await say(page, chats, 'Where is my order?');
  turn.say('I look.');
  await expect(page.getByTestId('stream-state')).toHaveText(/Following/);
  await orderStatus(chats, id, 'one');
  await expect(page.getByTestId('chat-feed').getByTestId('call-card')).toContainText('get_order_status');
  await expect(page.locator('[data-testid=variable][data-name="order.status"]')).toContainText('shipped');
  turn.done();
});

test('Enter sends, Shift and Enter break the line, and nothing is sent twice', async ({ chats, page }) => {
  await openChat(page, chats);
  await field(page).press('Enter');
  await field(page).pressSequentially('  one');
  await field(page).press('Shift+Enter');
  await field(page).pressSequentially('two');
  await field(page).press('Enter');
  const turn = await chats.turn();
  expect(turn.body.text).toBe('one\ntwo');
  await expect(turns(page).first()).toContainText('one\ntwo', { useInnerText: true });
  // While the answer streams, what is typed stays in the field.
  await field(page).fill('three');
  await field(page).press('Enter');
  await expect(field(page)).toHaveValue('three');
  turn.done();
  await expect(turns(page)).toHaveAttribute('data-state', 'done');
  await expect(turns(page)).toContainText('The agent said nothing.');
  await field(page).press('Enter');
  expect((await chats.turn()).body.text).toBe('three');
  await expect(turns(page)).toHaveCount(2);
});

test('an answer is stopped by the button or by Escape, and the gateway is hung up on', async ({ chats, page }) => {
  await openChat(page, chats);
  const first = await say(page, chats, 'Tell me all');
  first.say('There is a lot ');
  await expect(lines(page)).toHaveText(['There is a lot']);
  await page.getByTestId('chat-stop').click();
  await first.hungUp;
  await expect(page.getByTestId('chat-end')).toContainText('Stopped after');
  await expect(lines(page)).toHaveText(['There is a lot']);
  await expect(page.getByTestId('chat-stop')).toBeHidden();
  await expect(field(page)).toBeFocused();

  const second = await say(page, chats, 'No, just this');
  second.say('Well ');
  await expect(lines(page)).toHaveCount(2);
  await field(page).press('Escape');
  await second.hungUp;
  await expect(page.getByTestId('chat-end')).toHaveCount(2);
  (await say(page, chats, 'Fine')).done();
  await expect(turns(page).last()).toHaveAttribute('data-state', 'done');
});

test('a failure is marked with its code, and so is an answer that was cut off', async ({ chats, page }) => {
  await openChat(page, chats);
  const turn = await say(page, chats, 'Hello');
  turn.send('text', { text: 'I am sorry, I cannot answer right now. ', source: 'failure' });
  await expect(lines(page)).toContainText('failure sentence');
  turn.done({ error: { code: 'model_timeout', message: 'no first token in 8000 ms' } });
  await expect(lines(page)).toContainText('model_timeout');
  await expect(page.getByTestId('chat-error')).toHaveText('model_timeout no first token in 8000 ms');

  const other = await say(page, chats, 'Once more');
  other.say('It goes on and');
  other.done({ finish: 'length' });
  await expect(page.getByTestId('chat-end')).toHaveText('Cut off at the limit of tokens.');
});

test('a handover is shown with where it leads', async ({ chats, page }) => {
  await openChat(page, chats);
  const turn = await say(page, chats, 'A person, please');
  turn.send('round', { round: 1, model: 'm', first_token_ms: 1, took_ms: 2, calls: ['to_sales'] });
  turn.send('text', { text: 'I will put you through. ', source: 'handover' });
  turn.send('caller_call', { tool_call_id: 'x', name: 'to_sales', arguments: '{"phone_number":"+15551234567"}' });
  turn.send('handover', { phone_number: '+15551234567', message: 'I will put you through.' });
  turn.done({ finish: 'tool_calls' });
  await expect(lines(page)).toContainText('handover message');
  await expect(page.getByTestId('chat-passed')).toContainText('to_sales');
  await expect(page.getByTestId('chat-handover')).toContainText('Handed over to +15551234567');
});

test('an answer that breaks off says so, and a refused one gives the text back', async ({ chats, page, guard }) => {
  await openChat(page, chats);
  const turn = await say(page, chats, 'Hello');
  turn.say('Hel');
  turn.end();
  await expect(page.getByTestId('chat-error')).toContainText('The gateway ended the answer before the turn had ended.');
  await expect(lines(page)).toHaveText(['Hel']);
  await expect(field(page)).toHaveValue('');

  guard.allow('/turns', 503);
  chats.refuse = { status: 503, code: 'no_room', detail: 'there is no room for another call' };
  await field(page).fill('Once more');
  await field(page).press('Enter');
  await expect(page.getByTestId('chat-error').last()).toHaveText('no_room there is no room for another call');
  await expect(field(page)).toHaveValue('Once more');
});

test('writes that were put off and calls that were not made are told apart', async ({ chats, page }) => {
  await openChat(page, chats);
  const turn = await say(page, chats, 'Yes, do it');
  turn.send('tool_ended', { tool_call_id: 'w', name: 'create_support_ticket', status: 'success', duration_ms: 9, content: '{}' });
  turn.send('round', { round: 1, model: 'm', first_token_ms: 1, took_ms: 2, calls: ['nope'] });
  turn.send('tool_ended', { tool_call_id: 'n', name: 'nope', status: null, duration_ms: null, content: 'There is no tool of that name.' });
  turn.done();
  const rounds = page.getByTestId('chat-round');
  await expect(rounds.first()).toContainText('Put off in the turn before: 1 call');
  await expect(rounds.last()).toContainText('not executed');
  await rounds.last().locator('summary').click();
  // It has no entry in the feed.
  await expect(page.getByTestId('chat-call')).toContainText('There is no tool of that name.');
  await expect(page.getByTestId('call-in-live')).toHaveCount(0);
});

test('production asks before the first message of a conversation', async ({ chats, page }) => {
  await page.goto(`${chats.consoleUrl}#/chat/production/front_desk/${freshId()}`);
  await field(page).fill('Refund it');
  await field(page).press('Enter');
  await expect(page.getByTestId('confirm')).toContainText('production');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('confirm')).toBeHidden();
  await expect(field(page)).toHaveValue('Refund it');
  await page.getByTestId('chat-send').click();
  await page.getByTestId('confirm-yes').click();
  const turn = await chats.turn();
  expect(turn.body).toMatchObject({ environment: 'production', text: 'Refund it' });
  turn.done();
  await expect(turns(page)).toHaveAttribute('data-state', 'done');
  (await say(page, chats, 'And this')).done();
  await expect(turns(page)).toHaveCount(2);
});

test('the tab remembers what was said, begins anew, and goes on with another conversation', async ({ chats, page }) => {
  const id = await openChat(page, chats);
  wholeTurn(await say(page, chats, 'Where is my order?'));
  await expect(turns(page)).toHaveAttribute('data-state', 'done');
  await page.reload();
  await expect(lines(page).last()).toHaveText('Your order is on its way.');
  await expect(page.getByTestId('chat-round').first()).toContainText('Round 1: 1 call');

  await page.getByTestId('chat-new').click();
  await expect(page.getByTestId('chat-id')).toHaveText(/^chat-[0-9a-f]{8}$/);
  await expect(turns(page)).toHaveCount(0);
  const fresh = (await page.getByTestId('chat-id').textContent()) ?? '';
  const turn = await say(page, chats, 'Another matter');
  expect(turn.body.conversation_id).toBe(fresh);
  turn.done();
  await expect(turns(page)).toHaveAttribute('data-state', 'done');

  await page.getByTestId('chat-go-on').click();
  await page.getByTestId('go-on-choice').filter({ hasText: id }).click();
  await expect(page.getByTestId('chat-id')).toHaveText(id);
  await expect(lines(page).last()).toHaveText('Your order is on its way.');

  // One that this tab has not seen.
  const elsewhere = uniqueId('elsewhere');
  await orderStatus(chats, elsewhere, 'one');
  await page.getByTestId('chat-go-on').click();
  await page.getByTestId('go-on-id').fill(elsewhere);
  await page.getByTestId('go-on-id').press('Enter');
  await expect(page.getByTestId('chat-id')).toHaveText(elsewhere);
  await expect(page.getByTestId('transcript')).toContainText('the agent knows it');
  await expect(page.getByTestId('chat-feed').getByTestId('call-card')).toHaveCount(1);
  const further = await say(page, chats, 'Go on');
  expect(further.body.conversation_id).toBe(elsewhere);
  further.done();
  await expect(turns(page)).toHaveAttribute('data-state', 'done');
});

test('an answer goes on while another screen is shown', async ({ chats, page }) => {
  await openChat(page, chats);
  const turn = await say(page, chats, 'Hello');
  turn.say('Hel');
  await expect(lines(page)).toHaveText(['Hel']);
  await page.getByTestId('nav-health').click();
  await expect(page.getByTestId('chat-screen')).toBeHidden();
  turn.say('lo, ', 'you');
  await page.getByTestId('nav-chat').click();
  await expect(lines(page)).toHaveText(['Hello, you']);
  turn.say(' there.');
  turn.done();
  await expect(lines(page)).toHaveText(['Hello, you there.']);
});

test('agents are chosen, and one that is gone is said to be', async ({ chats, page, guard }) => {
  chats.agents = { development: [frontDesk, { ...frontDesk, name: 'night_desk', description: 'After hours.' }] };
  await openChat(page, chats);
  await page.getByTestId('chat-agent').selectOption('night_desk');
  await expect(page).toHaveURL(/#\/chat\/development\/night_desk\/chat-/);
  await expect(page.getByTestId('about-agent')).toContainText('After hours.');
  await field(page).fill('Hello');
  chats.agents = { development: [frontDesk] };
  chats.refuse = { status: 404, code: 'unknown_agent', detail: 'there is no agent `night_desk`' };
  guard.allow('/turns', 404);
  await field(page).press('Enter');
  await expect(page.getByTestId('unknown-agent')).toContainText('no agent “night_desk”');
  await expect(field(page)).toHaveValue('Hello');
});

test('the command to copy asks the agent as a product does', async ({ chats, page }) => {
  await openChat(page, chats);
  await field(page).fill(`It's "here"\n$HOME`);
  await page.getByText('curl, as a voice product asks this agent').click();
  await page.getByTestId('copy-curl').click();
  await expect(page.getByTestId('copy-curl')).toHaveText('Copied');
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(copied).toBe(
    [
      `curl -sN '${chats.origin}/v1/chat/completions'`,
      `-H 'Content-Type: application/json'`,
      `-H 'Callgate-Environment: development'`,
      `-d '{"model":"front_desk","stream":true,"messages":[{"role":"user","content":"It'\\''s \\"here\\"\\n$HOME"}]}'`,
    ].join(' \\\n  '),
  );
  await expect(page.getByTestId('chat-curl')).toHaveText(copied, { useInnerText: true });
  await expect(page.locator('.chat-curl')).toContainText(`${chats.origin}/development/v1`);
});

test('those who listen hear whole texts, each once', async ({ chats, page }) => {
  await openChat(page, chats);
  const heard = page.getByTestId('chat-announcer').locator('p');
  const turn = await say(page, chats, 'Where is my order?');
  turn.say('Let ', 'me ', 'look.');
  await expect(lines(page)).toHaveText(['Let me look.']);
  await expect(heard).toHaveCount(0);
  wholeTurn(turn);
  await expect(heard).toHaveText(['Let me look.', 'One moment.', 'It takes a little longer.', 'Your order is on its way.']);
  // The transcript itself is no live region.
  const live = await page.getByTestId('transcript').evaluate((element) => element.closest('[aria-live], [role=log], [role=status]'));
  expect(live).toBeNull();
  const other = await say(page, chats, 'Thanks');
  other.say('x'.repeat(5000));
  other.done();
  await expect(heard.last()).toContainText('The rest is in the transcript.');
  expect((await heard.last().textContent())?.length).toBeLessThan(700);
  await page.reload();
  await expect(turns(page)).toHaveCount(2);
  await expect(heard).toHaveCount(0);
});

test('ten thousand pieces are put behind each other, and nothing is drawn again', async ({ browser, chats, page }) => {
  await openChat(page, chats);
  (await say(page, chats, 'First')).done();
  await expect(turns(page)).toHaveAttribute('data-state', 'done');
  const longest = await longestTaskDuring(browser, page, async () => {
    const turn = await say(page, chats, 'Tell me all');
    turn.say('It begins. ');
    await expect(lines(page)).toHaveText(['It begins.']);
    // What stands there already is the same afterwards, and nothing else of the transcript is touched.
    await page.evaluate(() => {
      const shared = window as unknown as { touched: string[]; begun: Node | null };
      const transcript = document.querySelector('[data-testid=transcript]') as Element;
      const line = transcript.querySelector('[data-testid=chat-line] .chat-text span') as Element;
      shared.touched = [];
      shared.begun = line.firstChild;
      new MutationObserver((records) => {
        for (const { target, type } of records) if (!line.contains(target)) shared.touched.push(`${type} ${target.nodeName}`);
      }).observe(transcript, { subtree: true, childList: true, attributes: true, characterData: true });
    });
    for (let number = 0; number < 10_000; number += 1) turn.say(`${number % 100} `);
    turn.say('the last');
    await expect(lines(page)).toContainText('98 99 the last');
    const { touched, isSame } = await page.evaluate(() => {
      const shared = window as unknown as { touched: string[]; begun: Node | null };
      return { touched: shared.touched, isSame: shared.begun?.isConnected };
    });
    expect(touched).toEqual([]);
    expect(isSame).toBe(true);
    await expect(page.getByTestId('chat-announcer').locator('p')).toHaveCount(1);
    turn.done();
    await expect(turns(page).last()).toHaveAttribute('data-state', 'done');
  });
  console.log(`10,000 pieces: longest task ${Math.round(longest)} ms of the processor`);
  expect(longest).toBeLessThan(longestAllowed);
  // The end is in sight.
  const rest = await page.getByTestId('transcript').evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight);
  expect(rest).toBeLessThan(30);
});

test('an answer of a megabyte is cut, and opens whole', async ({ browser, chats, page }) => {
  await openChat(page, chats);
  const longest = await longestTaskDuring(browser, page, async () => {
    const turn = await say(page, chats, 'Tell me all');
    for (let number = 0; number < 32; number += 1) turn.say('y'.repeat(32_768));
    turn.say('END');
    turn.done();
    await expect(turns(page)).toHaveAttribute('data-state', 'done');
    expect((await lines(page).textContent())?.length).toBeLessThan(60_000);
    await page.getByTestId('whole-line').click();
    const text = page.getByTestId('whole-text').getByTestId('text-view');
    await expect(text).toBeVisible();
    await text.evaluate((element) => (element.scrollTop = element.scrollHeight));
    await expect(text).toContainText('END');
    expect(await page.locator('.text-row').count()).toBeLessThan(200);
  });
  console.log(`an answer of 1 MB: longest task ${Math.round(longest)} ms of the processor`);
  expect(longest).toBeLessThan(longestAllowed);
  // What the tab keeps of it has a bound.
  const kept = await page.evaluate(() => sessionStorage.getItem('callgate.chats')?.length ?? 0);
  expect(kept).toBeGreaterThan(1000);
  expect(kept).toBeLessThan(60_000);
});

test('a reader of earlier lines is left in peace', async ({ chats, page }) => {
  await openChat(page, chats);
  const turn = await say(page, chats, 'Tell me all');
  turn.say('a line\n'.repeat(200));
  await expect(lines(page)).toContainText('a line');
  const box = page.getByTestId('transcript');
  await expect.poll(() => box.evaluate((element) => element.scrollTop)).toBeGreaterThan(500);
  await box.hover();
  await page.mouse.wheel(0, -600);
  await expect(page.getByTestId('to-newest-turn')).toBeVisible();
  const top = await box.evaluate((element) => element.scrollTop);
  turn.say('and more\n'.repeat(50), 'the end');
  await expect(lines(page)).toContainText('the end');
  expect(await box.evaluate((element) => element.scrollTop)).toBe(top);
  await page.getByTestId('to-newest-turn').click();
  await expect(page.getByTestId('to-newest-turn')).toBeHidden();
  turn.say('\nnow it follows\n');
  turn.done();
  await expect(page.getByTestId('chat-cost')).toBeInViewport();
});

test('a long conversation shows its newest turns, and the older ones on request', async ({ chats, page }) => {
  await openChat(page, chats);
  await expect(page.getByTestId('transcript')).toBeVisible();
  for (let number = 0; number < 45; number += 1) {
    const turn = await say(page, chats, `number ${number}`);
    turn.say(`answer ${number}`);
    turn.done();
    await expect(turns(page).last()).toContainText(`answer ${number}`);
  }
  await expect(turns(page)).toHaveCount(40);
  await page.getByTestId('older-turns').click();
  await expect(turns(page)).toHaveCount(45);
  await expect(turns(page).first()).toContainText('number 0');
});

test('what nobody should trust is text, and harms nothing', async ({ chats, page }) => {
  await openChat(page, chats);
  const bad = '<img src=x onerror="window.__hacked = 1"><script>window.__hacked = 1</script>';
  const turn = await say(page, chats, `${bad} a\u202eb`);
  turn.send('text', { text: bad, source: '<b>odd</b>' });
  turn.say(`${bad} [a](javascript:1) `, 'x\u202egnp', '.exe\u0000', '\ud83d\ude00');
  turn.send('round', { round: 1, model: 'm\u202e<i>', first_token_ms: 'soon', took_ms: -1, calls: 7 });
  turn.raw(
    `event: tool_started\ndata: {"tool_call_id":"h","name":"${'n\u200b'}<u>","arguments":{"id":12345678901234567890,"__proto__":{"x":1}}}\n\n`,
  );
  turn.send('tool_ended', { tool_call_id: 'h', name: {}, status: '<s>', content: bad, duration_ms: null });
  turn.raw('event: text\ndata: not json\n\nevent: text\ndata: []\n\nevent: __proto__\ndata: {}\n\n: a comment\n\nevent: text\n\n');
  turn.send('text', { text: 5, source: null });
  turn.send('handover', { queue: '\u2066queue', message: 3 });
  turn.done({ error: { code: '<em>', message: `it \u202e broke ${bad}` }, usage: 'none', finish: {} });
  await expect(turns(page)).toHaveAttribute('data-state', 'done');
  await page.getByTestId('chat-round').locator('summary').click();
  const box = page.getByTestId('transcript');
  await expect(box).toContainText('12345678901234567890');
  await expect(box).toContainText('\\u202egnp.exe\\u0000😀');
  await expect(box).toContainText('<script>window.__hacked = 1</script>');
  expect(await box.locator('script, img, b, i, u, s, em, a:not([data-testid=call-in-live])').count()).toBe(0);
  expect(await page.locator('#app').textContent()).not.toMatch(/[\u0000-\u0008\u202a-\u202e\u2066-\u2069\u200b]/);
  expect(await page.evaluate(() => '__hacked' in window)).toBe(false);
  // And again as the tab remembers it.
  await page.reload();
  await expect(box).toContainText('<script>window.__hacked = 1</script>');
  expect(await page.evaluate(() => '__hacked' in window)).toBe(false);
});

test('what the tab remembers may be anything', async ({ chats, page }) => {
  await openChat(page, chats);
  await page.evaluate(() => sessionStorage.setItem('callgate.chats', '[1,{"environment":"development"},{"id":3}]'));
  await page.reload();
  await expect(field(page)).toBeVisible();
  (await say(page, chats, 'Hello')).done();
  await expect(turns(page)).toHaveAttribute('data-state', 'done');
});

test('Chat works by keyboard alone', async ({ chats, page, visit }) => {
  await visit(chats, '#/chat');
  await expect(field(page)).toBeFocused();
  await page.keyboard.type('Where is my order?');
  await page.keyboard.press('Enter');
  wholeTurn(await chats.turn());
  await expect(turns(page)).toHaveAttribute('data-state', 'done');
  await expect(field(page)).toBeFocused();
  await tabTo(page, page.getByTestId('chat-agent'));
  await tabTo(page, page.getByTestId('transcript'));
  await tabTo(page, page.getByTestId('chat-round').first().locator('summary'));
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('chat-call')).toBeVisible();
  await tabTo(page, page.getByTestId('call-in-live'));
  await tabTo(page, page.getByTestId('chat-go-on'));
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('go-on-id')).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('chat-go-on')).toBeFocused();
});

test('the agent of the demo answers without an account', async ({ demo, page, visit }) => {
  await visit(demo, '#/chat');
  await expect(page.getByTestId('about-agent')).toContainText('scripted');
  await field(page).fill('Where is my order ORD-12345?');
  await field(page).press('Enter');
  await expect(turns(page)).toHaveAttribute('data-state', 'done');
  await expect(page.getByTestId('chat-error')).toHaveCount(0);
  await expect(page.getByTestId('chat-round').first()).toContainText('get_order_status');
  await expect(page.getByTestId('chat-round').first()).toContainText('success');
  await expect(lines(page).last()).toContainText('shipped');
  await expect(page.getByTestId('chat-feed').getByTestId('call-card')).toContainText('get_order_status');
});

test('an agent of a gateway answers, calls its action, and is interrupted', async ({ page, project, serve, upstream, visit }) => {
  project.write('agents/front_desk.yaml', agentOf(upstream.origin));
  const gateway = await serve(project.folder);
  await visit(gateway, '#/live/development');
  await page.getByTestId('nav-chat').click();
  await expect(page.getByTestId('about-agent')).toContainText('tiny');
  const send = async (text: string) => {
    await field(page).fill(text);
    await field(page).press('Enter');
  };
  await send('Where is ORD-12345?');
  await expect(turns(page)).toHaveAttribute('data-state', 'done');
  await expect(lines(page).last()).toHaveText('It is on its way.');
  const round = page.getByTestId('chat-round').first();
  await expect(round).toContainText('Round 1: 1 call');
  await expect(round).toContainText('tiny');
  await expect(round).toContainText('success');
  await expect(page.getByTestId('chat-feed').getByTestId('call-card')).toContainText('get_order_status');
  await round.locator('summary').click();
  await expect(page.getByTestId('chat-call')).toContainText('{"order_number":"ORD-12345"}');

  const before = upstream.hangUps();
  await send('Tell me a story');
  await expect(lines(page).last()).toHaveText('Once upon a time');
  await page.getByTestId('chat-stop').click();
  await expect.poll(() => upstream.hangUps()).toBe(before + 1);
  await send('Thanks');
  await expect(lines(page).last()).toHaveText('You said: Thanks');
  // The gateway has kept what was said.
  const asked = upstream.received.filter(({ url }) => url === '/v1/chat/completions').at(-1);
  expect(asked?.body).toContain('Where is ORD-12345?');
  expect(asked?.body).toContain('It is on its way.');

  // The call of the transcript is the one of the feed.
  await page.getByTestId('call-in-live').click();
  await expect(page.getByTestId('call-arguments')).toContainText('ORD-12345');
  await expect(page.getByTestId('call-card')).toContainText('console');
});

test('Chat can be used by everybody', async ({ chats, page }, testInfo) => {
  const id = await openChat(page, chats);
  const turn = await say(page, chats, 'Where is my order ORD-12345?');
  await orderStatus(chats, id, 'call_1');
  wholeTurn(turn);
  await expect(turns(page)).toHaveAttribute('data-state', 'done');
  await page.getByTestId('chat-round').first().locator('summary').click();
  await expect(page.getByTestId('chat-feed').getByTestId('call-card')).toHaveCount(1);
  await inEveryLook(page, async (size, scheme) => {
    await page.getByTestId('transcript').evaluate((box) => (box.scrollTop = 0));
    await page.screenshot({ path: picture(`console-chat-${size}-${scheme}.png`, testInfo) });
  });
  const failing = await say(page, chats, 'And the other one?');
  failing.send('text', { text: 'I am sorry, that did not work. ', source: 'failure' });
  failing.done({ error: { code: 'model_timeout', message: 'no first token in 8000 ms' } });
  const handed = await say(page, chats, 'A person, please');
  handed.send('handover', { phone_number: '+15551234567' });
  handed.done({ finish: 'tool_calls' });
  const running = await say(page, chats, 'Still there?');
  running.send('round', { round: 1, model: 'm', first_token_ms: 5, took_ms: 9, calls: ['store_hours'] });
  running.send('tool_started', { tool_call_id: 'x', name: 'store_hours', arguments: {} });
  await expect(page.getByTestId('chat-round').last()).toContainText('under way');
  await expect(page.getByTestId('chat-feed').getByTestId('call-card')).toHaveCount(1);
  await inEveryLook(page, (size, scheme) => expectUsable(page, size, scheme));
  running.done();
});
