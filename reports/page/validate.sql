-- published: each figure stands in the table validation
SELECT name, scope, value, value, source, source FROM published WHERE 0;
-- figures: what others measured beside what the scenario gives
SELECT scenario, title, name, scope, unit, published, simulated, simulated / published - 1 AS error, source,
  kernel_error_median, kernel_error_p90, kernel_time_borrowed_share FROM validation ORDER BY rowid;
