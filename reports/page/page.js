// Pages of moesim report: tool-tips, light and dark, tables that sort and filter, charts read from their tables.  Without
// it everything is still there to see.
'use strict';
(() => {
  const one = (what, within = document) => within.querySelector(what);
  const each = (what, within, then) => within.querySelectorAll(what).forEach(then);

  const root = document.documentElement, button = one('#theme'), system = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => root.dataset.theme ? root.dataset.theme === 'dark' : system.matches;
  const name = () => { button.textContent = isDark() ? 'Light page' : 'Dark page'; };
  button.addEventListener('click', () => { root.dataset.theme = isDark() ? 'light' : 'dark'; name(); });
  system.addEventListener('change', name);
  name();

  const tip = document.createElement('div');
  tip.id = 'tip'; tip.setAttribute('aria-hidden', 'true'); document.body.append(tip);
  const say = (text, x, y) => {
    tip.textContent = text;
    const left = Math.min(x + 16, innerWidth - tip.offsetWidth - 8), below = y + 20 + tip.offsetHeight < innerHeight;
    tip.style.left = Math.max(8, left) + 'px'; tip.style.top = (below ? y + 16 : y - tip.offsetHeight - 12) + 'px';
    tip.style.visibility = 'visible';
  };
  const hush = () => { tip.style.visibility = 'hidden'; };
  document.addEventListener('pointermove', e => {
    const mark = e.target.closest('[data-tip]');
    if (mark) say(mark.dataset.tip, e.clientX, e.clientY); else if (!e.target.closest('.map')) hush();
  });
  document.addEventListener('focusin', e => {
    hush();
    if (!e.target.dataset.tip || !e.target.matches(':focus-visible')) return;
    setTimeout(() => { const box = e.target.getBoundingClientRect(); say(e.target.dataset.tip, box.right, box.bottom); }, 80);
  });
  document.addEventListener('keydown', e => { if (e.key === 'Escape') hush(); });
  addEventListener('scroll', hush, { passive: true });

  const key = (row, i) => { const c = row.cells[i]; return c.dataset.v === undefined ? c.textContent : +c.dataset.v; };
  each('table[data-sort]', document, table => each('thead button', table, head => head.addEventListener('click', () => {
    const th = head.parentNode, i = th.cellIndex, down = th.getAttribute('aria-sort') === 'ascending';
    each('thead th', table, x => x.removeAttribute('aria-sort'));
    th.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    const order = (a, b) => typeof a === typeof b ? (typeof a === 'number' ? a - b : a.localeCompare(b)) : typeof a === 'number' ? -1 : 1;
    const bodies = [...table.tBodies], sizes = bodies.map(b => b.rows.length);
    const rows = bodies.flatMap(b => [...b.rows]).map(r => [key(r, i), r]);
    rows.sort((a, b) => (down ? -1 : 1) * order(a[0], b[0]));
    let from = 0;
    bodies.forEach((b, n) => { b.append(...rows.slice(from, from + sizes[n]).map(r => r[1])); from += sizes[n]; });
  })));
  // Long tables come in parts; those after the first are laid out when the reader nears the end of what is.
  each('.many', document, box => {
    const bodies = [...box.querySelectorAll('tbody')];
    box.addEventListener('scroll', () => {
      if (box.scrollTop + 2 * box.clientHeight < box.scrollHeight) return;
      const next = bodies.find(b => b.hidden);
      if (next) next.hidden = false;
    }, { passive: true });
  });
  each('input[data-filter]', document, input => {
    const table = one('#' + input.dataset.filter), rows = [...table.querySelectorAll('tbody tr')], count = one('#' + input.dataset.filter + '-n');
    const apply = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(w => w);
      let shown = 0;
      [...table.tBodies].forEach((b, n) => { b.hidden = n > 0 && !words.length; });
      if (!words.length) { rows.forEach(r => { r.hidden = false; }); count.textContent = rows.length + ' of ' + rows.length; return; }
      for (const r of rows) { const text = r.textContent.toLowerCase(); r.hidden = !words.every(w => text.includes(w)); shown += !r.hidden; }
      count.textContent = shown + ' of ' + rows.length;
    };
    input.addEventListener('input', apply); apply();
  });

  // A timeline goes to ui.perfetto.dev on a click, never before: its page opens, says that it is there, is handed the file.
  each('input[data-timeline]', document, input => {
    const button = one('#timeline-go'), out = one('#timeline-n'), site = 'https://ui.perfetto.dev';
    input.addEventListener('change', () => { out.textContent = ''; });
    button.addEventListener('click', async () => {
      const file = input.files[0];
      if (!file) { out.textContent = 'Choose the timeline first.'; return; }
      const there = open(site);
      if (!there) { out.textContent = 'The browser did not let this page open ' + site + '.'; return; }
      out.textContent = 'Waiting for ' + site + ' ...';
      const buffer = await file.arrayBuffer(), since = Date.now();
      const knock = setInterval(() => {
        if (Date.now() - since > 60000) { clearInterval(knock); out.textContent = site + ' does not answer: is there a network?'; } else there.postMessage('PING', site);
      }, 200);
      addEventListener('message', function answer(e) {
        if (e.origin !== site || e.data !== 'PONG') return;
        clearInterval(knock); removeEventListener('message', answer);
        there.postMessage({ perfetto: { buffer, title: file.name, fileName: file.name } }, site);
        out.textContent = 'Handed over.';
      });
    });
  });

  // Charts whose marks are joined into paths are read from the table below them: where the pointer is, or by arrow keys.
  const readers = {
    cells: (rows, heads, map) => ({
      at: (x, y) => [Math.floor(y * rows.length), Math.floor(x * (heads.length - 1))],
      text: ([r, c]) => rows[r] && rows[r].cells[c + 1] && heads[0] + ' ' + rows[r].cells[0].textContent + ', ' + map.dataset.column + ' ' + heads[c + 1] + ': ' + (rows[r].cells[c + 1].textContent ? rows[r].cells[c + 1].textContent + map.dataset.unit : 'none'),
      box: ([r, c]) => [c, r, 1, 1],
    }),
    x: (rows, heads, map) => {
      const from = +map.dataset.from, to = +map.dataset.to, log = map.dataset.log === '1', at = rows.map(r => +r.cells[0].dataset.v);
      const place = v => log ? Math.log(v / from) / Math.log(to / from) : (v - from) / (to - from);
      return {
        at: x => { let best = 0; at.forEach((v, i) => { if (Math.abs(place(v) - x) < Math.abs(place(at[best]) - x)) best = i; }); return [0, best]; },
        text: ([, i]) => rows[i] && heads.map((h, c) => h + ' ' + (rows[i].cells[c].textContent || 'none')).join(', ') + (map.dataset.y ? ' (' + map.dataset.y + ')' : ''),
      };
    },
    pieces: (rows, heads, map) => {
      const from = +map.dataset.from, to = +map.dataset.to, names = [...new Set(rows.map(r => r.cells[0].textContent))];
      const lanes = names.map(n => rows.filter(r => r.cells[0].textContent === n));
      return {
        at: (x, y) => { const r = Math.floor(y * lanes.length), t = from + x * (to - from); return [r, (lanes[r] || []).findIndex(p => +p.cells[3].dataset.v <= t && t < +p.cells[4].dataset.v)]; },
        text: ([r, i]) => lanes[r] && (lanes[r][i] ? heads[0] + ' ' + [...lanes[r][i].cells].map(c => c.textContent).filter(t => t).join(', ') : heads[0] + ' ' + names[r] + ': no instruction'),
      };
    },
  };
  each('figure[data-reads]', document, figure => {
    const table = one('table', figure), map = one('.map', figure), area = one('.area', figure), out = one('.read', figure);
    if (!table || !map) return;
    let reader = null, here = [0, 0];
    const get = () => reader || (reader = readers[figure.dataset.reads]([...table.querySelectorAll('tbody tr')], [...table.tHead.rows[0].cells].map(c => c.textContent), map));
    const pick = place => {
      const text = get().text(place);
      if (!text) return '';
      here = place; out.textContent = text;
      const sel = one('.sel', area), box = get().box && get().box(place);
      if (sel && box) { ['x', 'y', 'width', 'height'].forEach((a, i) => sel.setAttribute(a, box[i])); sel.setAttribute('visibility', 'visible'); }
      return text;
    };
    const under = e => { const b = area.getBoundingClientRect(); return get().at((e.clientX - b.left) / b.width, (e.clientY - b.top) / b.height); };
    map.addEventListener('pointermove', e => { const text = get().text(under(e)); if (text) say(text, e.clientX, e.clientY); else hush(); });
    map.addEventListener('pointerleave', hush);
    map.addEventListener('click', e => pick(under(e)));
    map.addEventListener('keydown', e => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[e.key];
      if (!step) return;
      e.preventDefault(); pick([here[0] + step[0], Math.max(0, here[1] + step[1])]);
    });
  });
})();
