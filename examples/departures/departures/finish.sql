-- After the rows: the one index that the pages use, and the sums that would
-- otherwise be made again for every visit.

CREATE INDEX flights_by_time ON flights (day, scheduled, carrier, number);

CREATE TABLE days AS
SELECT
    day,
    count(*) AS flights,
    sum(departed IS NULL) AS cancelled,
    sum(departed IS NOT NULL AND delay >= 15) AS late,
    round(avg(delay), 1) AS mean_delay,
    max(delay) AS worst_delay,
    sum(distance) AS miles,
    low, high, gust, rain
FROM flights
LEFT JOIN (
    SELECT
        day,
        min(temp) AS low,
        max(temp) AS high,
        max(wind_gust) AS gust,
        -- a day's rain at an airport, averaged over the three of them
        sum(precip) / count(DISTINCT origin) AS rain
    FROM weather
    GROUP BY day
) USING (day)
GROUP BY day
ORDER BY day;

CREATE UNIQUE INDEX days_by_day ON days (day);

CREATE TABLE facts AS
SELECT
    (SELECT count(*) FROM flights) AS flights,
    (SELECT count(DISTINCT dest) FROM flights) AS places,
    (SELECT count(DISTINCT carrier) FROM flights) AS airlines,
    (SELECT count(DISTINCT tailnum) FROM flights) AS aircraft,
    (SELECT sum(distance) FROM flights) AS miles,
    (SELECT count(*) FROM flights WHERE departed IS NULL) AS cancelled;

ANALYZE;
