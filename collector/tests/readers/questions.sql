-- how many events of each type
SELECT type, count(*) AS n FROM events GROUP BY type ORDER BY type;
-- programs that people started most
SELECT human, exe, count(*) AS n FROM events WHERE type = 'exec' GROUP BY human, exe ORDER BY human, exe;
-- who was refused what
SELECT human, path, error, count(*) AS n FROM events WHERE success = false GROUP BY human, path, error ORDER BY human, path, error;
-- who became root
SELECT human, host, count(*) AS n FROM events WHERE euid = 0 AND uid <> 0 GROUP BY human, host ORDER BY human, host;
-- where hosts connected to
SELECT host, address, port, count(*) AS n FROM events WHERE type = 'connect' GROUP BY host, address, port ORDER BY host, address, port;
-- repeats that events stand for
SELECT host, sum(coalesce(count, 1)) AS acts FROM events GROUP BY host ORDER BY host;
-- lists: what was opened for writing
SELECT path, count(*) AS n FROM events WHERE type = 'open' AND {has:access:write} GROUP BY path ORDER BY path;
-- what is not known is absent, not 0
SELECT count(*) AS n, count(auid) AS with_auid, count(exit_code) AS with_code FROM events;
-- first and last sequence of each sensor's lane
SELECT sensor_id, lane, min(sequence) AS first, max(sequence) AS last, count(*) AS n FROM events WHERE sequence IS NOT NULL GROUP BY sensor_id, lane ORDER BY sensor_id, lane;
-- names with any bytes
SELECT comm, count(*) AS n FROM events WHERE comm LIKE '%\\x%' GROUP BY comm ORDER BY comm;
