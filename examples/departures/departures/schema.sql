-- One file, written once and then only read. The view `board` holds every rule
-- about how a flight is shown, so the pages and the ticker cannot disagree.

CREATE TABLE airlines (
    carrier TEXT PRIMARY KEY,
    name TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE airports (
    faa TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    lat REAL NOT NULL, -- degrees north
    lon REAL NOT NULL  -- degrees east: all of them are negative, or nearly all
) WITHOUT ROWID;

CREATE TABLE planes (
    tailnum TEXT PRIMARY KEY,
    manufacturer TEXT NOT NULL,
    model TEXT NOT NULL,
    seats INTEGER
) WITHOUT ROWID;

CREATE TABLE weather (
    origin TEXT NOT NULL,
    day TEXT NOT NULL,
    hour INTEGER NOT NULL,
    temp REAL,      -- degrees Fahrenheit
    wind_gust REAL, -- miles an hour; null: no gusts
    precip REAL     -- inches in that hour
);

-- Times are the source's clock numbers: 517 is 05:17 in New York.
CREATE TABLE flights (
    day TEXT NOT NULL,
    scheduled INTEGER NOT NULL,
    departed INTEGER, -- null: the flight was cancelled
    delay INTEGER,    -- minutes; negative: it left early
    carrier TEXT NOT NULL,
    number INTEGER NOT NULL,
    tailnum TEXT,
    origin TEXT NOT NULL,
    dest TEXT NOT NULL,
    distance INTEGER NOT NULL,
    air_time INTEGER -- minutes; null: it never left, or didn't get to where it went
);

CREATE VIEW board AS
SELECT
    day,
    scheduled,
    printf('%02d:%02d', scheduled / 100, scheduled % 100) AS time,
    CASE
        WHEN departed IS NULL THEN ''
        -- the source writes midnight as 2400
        ELSE printf('%02d:%02d', departed / 100 % 24, departed % 100)
    END AS left_at,
    delay,
    flights.carrier || ' ' || number AS flight,
    coalesce(airlines.name, flights.carrier) AS airline,
    origin,
    dest,
    coalesce(airports.name, dest) AS place,
    coalesce(planes.manufacturer || ' ' || planes.model, '') AS aircraft,
    distance,
    -- Minutes since the midnight that its day began with. The source's departure is
    -- its schedule and delay, and says nothing of the date.
    scheduled / 100 * 60 + scheduled % 100 + delay AS left_minute,
    air_time,
    -- The US Department of Transportation counts a flight as on time when it
    -- is less than 15 minutes late.
    CASE
        WHEN departed IS NULL THEN 'cancelled'
        WHEN delay < 15 THEN 'on time'
        WHEN delay < 60 THEN delay || ' min late'
        ELSE printf('%d h %02d late', delay / 60, delay % 60)
    END AS status,
    CASE
        WHEN departed IS NULL THEN 'cancelled'
        WHEN delay < 15 THEN 'ontime'
        WHEN delay < 60 THEN 'late'
        ELSE 'verylate'
    END AS mood
FROM flights
LEFT JOIN airlines USING (carrier)
LEFT JOIN airports ON airports.faa = flights.dest
LEFT JOIN planes USING (tailnum);
