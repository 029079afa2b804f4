-- Published beside simulated
SELECT run, replace(p.name, '_', ' ') || CASE p.scope WHEN 'run' THEN '' ELSE ', ' || p.scope END AS figure,
  p.value AS published, m.value AS simulated, printf('%+.1f %%', 100 * (m.value / p.value - 1)) AS error, p.source
FROM published p JOIN metric m USING (run, name, scope)
ORDER BY p.rowid;

-- Published figures
SELECT run, text AS "why they are not beside these" FROM warning WHERE text LIKE 'not compared: %' ORDER BY rowid;
