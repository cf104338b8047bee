// Using pages with the keyboard alone.

import assert from 'node:assert/strict';

/** Role and name of the focused element as assistive technology gets them. */
export async function accessible(page) {
  const session = await page.context().newCDPSession(page);
  try {
    const { result } = await session.send('Runtime.evaluate', { expression: 'document.activeElement' });
    if (!result.objectId) return { role: 'none', name: '' };
    const { nodes } = await session.send('Accessibility.getPartialAXTree', { objectId: result.objectId, fetchRelatives: false });
    return { role: nodes[0]?.role?.value ?? 'none', name: nodes[0]?.name?.value ?? '' };
  } finally {
    await session.detach();
  }
}

/**
 * Presses Tab until the element of this accessible name (and role) is focused. Each stop on the way must be visible and
 * show that it has the focus. Gives the names of the stops. `backwards`: Shift and Tab.
 */
export async function tabTo(page, name, { role, limit = 100, backwards = false } = {}) {
  const stops = [];
  for (let n = 0; n < limit; n += 1) {
    await page.keyboard.press(backwards ? 'Shift+Tab' : 'Tab');
    const stop = await accessible(page);
    const seen = await page.evaluate(shown);
    if (!seen.inPage) {
      stops.push('(end of the page)');
      continue;
    }
    stops.push(`${stop.role} "${stop.name}"`);
    assert.ok(seen.visible, `the focus is on something invisible: ${stops.at(-1)} at ${seen.at}`);
    assert.ok(seen.marked, `nothing shows that the focus is on ${stops.at(-1)} at ${seen.at}`);
    const named = name instanceof RegExp ? name.test(stop.name) : stop.name === name;
    if (named && (!role || role === stop.role)) return stops;
  }
  throw new Error(`Tab does not come to ${role ?? ''} ${name} in ${limit} steps; stops: ${[...new Set(stops)].join(', ')}`);
}

/** Presses Enter or Space on what is focused; with `leaves` it waits for the page that follows and gives its response. */
export async function press(page, key = 'Enter', { leaves = false } = {}) {
  if (!leaves) return page.keyboard.press(key);
  const [response] = await Promise.all([page.waitForNavigation({ waitUntil: 'load' }), page.keyboard.press(key)]);
  return response;
}

/** Run in the page: whether the focus can be seen. */
function shown() {
  const element = document.activeElement;
  if (!element || element === document.body || element === document.documentElement) return { inPage: false };
  // A radio button or check box may show its focus on its label, or on the box around both.
  const around = ['radio', 'checkbox'].includes(element.type) ? element.closest('.choice') : null;
  const shows = [element, ...(element.labels ?? []), around].filter(Boolean);
  const marked = shows.some((one) =>
    [null, '::before', '::after'].some((part) => {
      const style = getComputedStyle(one, part);
      const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
      return outlined || style.boxShadow !== 'none';
    }),
  );
  const visible = shows.some((one) => {
    const box = one.getBoundingClientRect();
    const onScreen = box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
    return box.width > 1 && box.height > 1 && onScreen && getComputedStyle(one).visibility === 'visible';
  });
  return { inPage: true, visible, marked, at: `<${element.localName} id="${element.id}">` };
}
