// What a page shows as it stands: run in it by check.py, gives one object.
(() => {
  const visible = e => e.checkVisibility({ contentVisibilityAuto: true, visibilityProperty: true }) && e.getClientRects().length > 0;
  const problems = [];
  const boxes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const parent = node.parentElement;
    if (!node.textContent.trim() || parent.closest('script, style, table, pre, #tip') || !visible(parent)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const r of range.getClientRects())
      if (r.width > 1 && r.height > 1) boxes.push({ l: r.left, r: r.right, t: r.top + 3, b: r.bottom - 3, text: node.textContent.trim().slice(0, 40), svg: parent.namespaceURI.includes('svg') });
  }
  boxes.sort((a, b) => a.t - b.t);
  for (let i = 0; i < boxes.length; ++i) {
    const a = boxes[i];
    if (a.l < -1 || a.r > innerWidth + 1) problems.push(`"${a.text}" leaves the page: ${a.l.toFixed()} to ${a.r.toFixed()}`);
    for (let k = i + 1; k < boxes.length && boxes[k].t < a.b - 1; ++k) {
      const b = boxes[k];
      if (b.l < a.r - 1.5 && a.l < b.r - 1.5) problems.push(`"${a.text}" lies over "${b.text}"`);
    }
  }
  for (const cell of document.querySelectorAll('td, th')) {  // a word or figure in two lines reads as two
    if (innerWidth < 600 || !visible(cell)) continue;  // narrower than paper nothing else fits
    const inside = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    for (let node; (node = inside.nextNode());)
      for (const word of node.textContent.matchAll(/[\w.]+/g)) {
        const range = document.createRange();
        range.setStart(node, word.index);
        range.setEnd(node, word.index + word[0].length);
        if (new Set([...range.getClientRects()].map(r => Math.round(r.top))).size > 1) problems.push(`"${word[0]}" breaks in a table`);
      }
  }
  const figures = [...document.querySelectorAll('figure')].map(f => {
    const marks = f.querySelectorAll('.mk').length, paths = [...f.querySelectorAll('.area path:not(.hair)')].map(p => p.getAttribute('d'));
    const reads = f.dataset.reads || '';
    const count = { '': () => marks,
      x: () => paths.reduce((n, d) => n + (d.match(/[ML]/g) || []).length, 0),
      pieces: () => paths.reduce((n, d) => n + (d.match(/M/g) || []).length, 0),
      cells: () => paths.reduce((n, d) => n + [...d.matchAll(/M\d+ \d+h(\d+)v1/g)].reduce((s, m) => s + +m[1], 0), 0) }[reads]();
    const rows = [...f.querySelectorAll('tbody tr')], beside = rows.reduce((n, r) => n + [...r.cells].slice(1).filter(c => c.textContent).length, 0);
    const box = f.getBoundingClientRect();
    return { id: f.id, said: +f.dataset.marks, drawn: count, table: f.dataset.mark === 'row' ? rows.length : beside, hasTable: rows.length > 0, height: box.height, width: box.width };
  });
  const names = [...document.querySelectorAll('[role="img"], [role="group"], [role="region"]')].filter(e => !(e.getAttribute('aria-label') || '').trim()).length;
  return {
    problems, figures, texts: boxes.length, unnamed: names, width: document.documentElement.scrollWidth, height: document.documentElement.scrollHeight,
    keys: [...document.querySelectorAll('dd[data-value]')].map(d => ({ metric: d.dataset.metric || '', scope: d.dataset.scope || '', sql: d.dataset.sql || '', value: +d.dataset.value, text: d.firstChild.textContent.trim() })),
    paper: getComputedStyle(document.body).backgroundColor, button: document.querySelector('#theme').textContent, screen: visible(document.querySelector('#theme')),
    empty: [...document.querySelectorAll('h1, h2')].filter(h => !h.textContent.trim() || /nan|inf\b|undefined/i.test(h.textContent)).length,
    ink: [...document.querySelectorAll('svg text')].slice(0, 1).map(t => getComputedStyle(t).fill)[0],
  };
})()
