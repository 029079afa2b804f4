-- Busiest links of each kind (busy: share of the run that its bytes take at full rate; full: in which flows used all of it)
SELECT run, kind, name AS link, bytes AS "carried [B]", printf('%.1f %%', 100 * load) AS busy,
  CASE WHEN peak_utilisation IS NULL THEN '-' ELSE printf('%.0f %%', 100 * peak_utilisation) END AS peak,
  CASE WHEN saturated_time IS NULL THEN '-' ELSE printf('%.1f %%', 100 * saturated_time * load / busy_time) END AS full, coalesce(most_flows, '-') AS "flows at once"
FROM (SELECT *, row_number() OVER (PARTITION BY run, kind ORDER BY coalesce(saturated_time, 0) DESC, busy_time DESC, link) AS place
  FROM (SELECT *, busy_time * utilisation * capacity / bytes AS load FROM link))
WHERE place <= 2 ORDER BY run, max(load) OVER (PARTITION BY run, kind) DESC, place;
