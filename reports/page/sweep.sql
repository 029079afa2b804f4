-- published: points are compared with each other
SELECT name, scope, value, value, source, source FROM published WHERE 0;
-- points: the values varied, a row a point and key
SELECT point, run, key, value, problem FROM sweep_point ORDER BY point, rowid;
-- figures: of all points
SELECT run, name, value, unit FROM metric WHERE scope = 'run' ORDER BY run, rowid;
-- sweep: what was asked
SELECT sweep, points, shard, shards, state FROM sweep ORDER BY shard;
