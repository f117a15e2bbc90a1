/*
 * load.c: the client of the benchmarks, small enough to read in one go.
 *
 * Strategy. Bytes come in from plain HTTP/1.x sockets on loopback; one JSON
 * object a line goes out on stdout. Every body goes through the same little
 * chunked decoder, so payload bytes are counted exactly and a body whose last
 * chunk never came is known as unfinished. The client knows nothing of how
 * the server made the bytes.
 *
 *   load sink HOST PORT PATH REPEATS PROGRESS_MS [ACCEPT_ENCODING]
 *     Fetches PATH again and again, one new connection each, as fast as the
 *     server sends, and reports each body: bytes, chunks, times, finished.
 *     PROGRESS_MS > 0 also reports the bytes so far at that interval.
 *
 *   load hold|listen HOST PORT PATH CLIENTS IN_FLIGHT
 *     Opens CLIENTS connections (at most IN_FLIGHT waiting for their head at
 *     a time) and keeps them. Each body line must read "tick <n> <ns>", with
 *     n one more than the client's line before, and ns the server's
 *     CLOCK_MONOTONIC when the line was made. With `listen` the lines are
 *     those of server-sent events: data that is a tick counts, and no other.
 *     Then it obeys stdin:
 *       collect LINES TIMEOUT_MS   until every open client has LINES more
 *       drop K                     close K connections, without a word
 *       wait TIMEOUT_MS            until the server has closed all the rest
 *     and ends when stdin ends.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 4096
#define CONNECT_LIMIT_NS 180000000000ull /* all clients must be in by then */

enum phase { CONNECTING, HEAD, BODY, CLOSED };
enum framing { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER, DONE, BROKEN };

struct client {
    int fd;
    enum phase phase;
    enum framing framing;
    bool chunked, sized, trailer_text, skip_line;
    bool reached;       /* has its lines of the running `collect` */
    uint8_t line_used;
    char line[48];      /* the line that a read has cut in two */
    char *head;         /* freed as soon as the head is whole */
    size_t head_used;
    uint64_t left;      /* bytes to come of this chunk, or its size so far */
    uint64_t payload, chunks;
    uint64_t last;      /* the number of the newest tick */
    uint32_t since;     /* lines since the running `collect` began */
};

static struct sockaddr_in server;
static char request[1024];
static size_t request_size;
static char buffer[1 << 20];

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* ---- the chunked decoder: payload slices are handed to `body` ---- */

typedef void (*body_fn)(struct client *, const char *, size_t);

static void decode(struct client *c, const char *p, size_t n, body_fn body) {
    const char *end = p + n;
    if (!c->chunked) { /* of a known length, or ended by the connection's end */
        c->payload += n;
        if (c->sized && c->payload >= c->left)
            c->framing = c->payload == c->left ? DONE : BROKEN;
        body(c, p, n);
        return;
    }
    while (p < end) {
        char ch = *p;
        switch (c->framing) {
        case SIZE: {
            int digit = ch >= '0' && ch <= '9'   ? ch - '0'
                        : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
                        : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10
                                                 : -1;
            if (digit >= 0) c->left = c->left * 16 + (uint64_t)digit;
            else if (ch == ';') c->framing = EXTENSION;
            else if (ch == '\r') c->framing = SIZE_LF;
            else c->framing = BROKEN;
            p++;
            break;
        }
        case EXTENSION:
            if (ch == '\r') c->framing = SIZE_LF;
            p++;
            break;
        case SIZE_LF:
            c->framing = ch != '\n' ? BROKEN : c->left ? DATA : TRAILER;
            c->trailer_text = false;
            c->chunks += c->left != 0;
            p++;
            break;
        case DATA: {
            size_t take = (size_t)(end - p);
            if (take > c->left) take = c->left;
            c->payload += take;
            body(c, p, take);
            c->left -= take;
            p += take;
            if (!c->left) c->framing = DATA_CR;
            break;
        }
        case DATA_CR:
            c->framing = ch == '\r' ? DATA_LF : BROKEN;
            p++;
            break;
        case DATA_LF:
            c->framing = ch == '\n' ? SIZE : BROKEN;
            p++;
            break;
        case TRAILER: /* fields, if any, then an empty line */
            if (ch == '\n') {
                if (!c->trailer_text) c->framing = DONE;
                c->trailer_text = false;
            } else if (ch != '\r') c->trailer_text = true;
            p++;
            break;
        case DONE: /* nothing may follow */
            c->framing = BROKEN;
            return;
        case BROKEN:
            return;
        }
    }
}

/* ---- the response head ---- */

/* Takes bytes of the head. Returns how many of n were the head's once it is
 * whole, 0 while it isn't, -1 if it is too long. */
static long take_head(struct client *c, const char *p, size_t n) {
    size_t before = c->head_used;
    size_t take = n < HEAD_MAX - 1 - before ? n : HEAD_MAX - 1 - before;
    memcpy(c->head + before, p, take);
    c->head_used += take;
    c->head[c->head_used] = 0;
    char *gap = strstr(c->head, "\r\n\r\n");
    if (!gap) return c->head_used < HEAD_MAX - 1 ? 0 : -1;
    gap[2] = 0;
    c->chunked = strcasestr(c->head, "\r\ntransfer-encoding: chunked") != NULL;
    c->framing = SIZE;
    c->left = 0;
    const char *field = strcasestr(c->head, "\r\ncontent-length: ");
    c->sized = field && !c->chunked;
    if (c->sized) c->left = strtoull(field + 18, NULL, 10);
    return gap + 4 - c->head - (long)before;
}

static int status_of(const struct client *c) {
    return c->head_used > 12 ? atoi(c->head + 9) : 0;
}

static void encoding_of(const struct client *c, char out[16]) {
    const char *field = strcasestr(c->head, "\r\ncontent-encoding: ");
    out[0] = 0;
    if (field) sscanf(field + 20, "%15[a-z0-9-]", out);
}

static void set_up(const char *host, const char *port, const char *path,
                   const char *more) {
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)atoi(port));
    if (inet_pton(AF_INET, host, &server.sin_addr) != 1) die("address");
    request_size = (size_t)snprintf(
        request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s:%s\r\n%s\r\n", path,
        host, port, more);
}

/* ---- sink ---- */

static void ignore(struct client *c, const char *p, size_t n) {
    (void)c, (void)p, (void)n;
}

static void fetch_once(uint64_t progress_ns) {
    struct client c = {.phase = HEAD, .head = calloc(1, HEAD_MAX)};
    uint64_t start = now_ns(), first = 0, due = start + progress_ns;
    char encoding[16] = "";
    ssize_t n;
    c.fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c.fd, (struct sockaddr *)&server, sizeof server)) die("connect");
    if (write(c.fd, request, request_size) != (ssize_t)request_size) die("write");
    while (c.framing != DONE && (n = read(c.fd, buffer, sizeof buffer)) > 0) {
        const char *p = buffer;
        if (c.phase == HEAD) {
            long used = take_head(&c, p, (size_t)n);
            if (used < 0) break;
            if (used == 0) continue;
            c.phase = BODY;
            encoding_of(&c, encoding);
            p += used, n -= used;
        }
        decode(&c, p, (size_t)n, ignore);
        if (!first && c.payload) first = now_ns();
        if (progress_ns && now_ns() >= due) {
            due += progress_ns;
            printf("{\"event\":\"progress\",\"payload\":%lu}\n", c.payload);
            fflush(stdout);
        }
    }
    uint64_t end = now_ns();
    close(c.fd);
    printf("{\"event\":\"body\",\"status\":%d,\"encoding\":\"%s\",\"payload\":%lu,"
           "\"chunks\":%lu,\"finished\":%s,\"first_ns\":%lu,\"total_ns\":%lu}\n",
           status_of(&c), encoding, c.payload, c.chunks,
           c.framing == DONE ? "true" : "false", first ? first - start : 0,
           end - start);
    fflush(stdout);
    free(c.head);
}

/* ---- hold ---- */

static struct client *clients;
static int total, started, opened, failed, closed, resets, finished, broken;
static int poller;
static uint64_t last_close;
static uint64_t lines, gaps, strays;
static uint32_t *delays; /* microseconds from made to read, one a line */
static size_t delays_used, delays_size;
static uint64_t first_made, last_read; /* of the running `collect` */
static uint32_t wanted;
static int reached;

static void shut(struct client *c, bool by_server) {
    if (c->phase == CLOSED) return;
    if (c->phase == BODY) {
        closed += by_server;
        finished += c->framing == DONE;
        broken += c->framing == BROKEN;
        reached -= c->reached;
        if (by_server) last_close = now_ns();
    } else failed++;
    close(c->fd);
    free(c->head);
    c->head = NULL;
    c->phase = CLOSED;
}

static bool listens;

static void take_line(struct client *c, const char *line, uint64_t now) {
    unsigned long n, made;
    if (listens) {
        if (strncmp(line, "data:", 5)) return;
        line += line[5] == ' ' ? 6 : 5; /* the standard allows one space */
        if (strncmp(line, "tick ", 5)) return;
    }
    if (sscanf(line, "tick %lu %lu", &n, &made) != 2) {
        strays++;
        return;
    }
    if (c->last && n != c->last + 1) gaps++;
    c->last = n;
    lines++;
    if (wanted) {
        if (!first_made || made < first_made) first_made = made;
        last_read = now;
        if (++c->since == wanted) c->reached = true, reached++;
        if (delays_used == delays_size) {
            delays_size = delays_size ? delays_size * 2 : 1 << 16;
            delays = realloc(delays, delays_size * sizeof *delays);
            if (!delays) die("realloc");
        }
        delays[delays_used++] = now > made ? (uint32_t)((now - made) / 1000) : 0;
    }
}

static void take_lines(struct client *c, const char *p, size_t n) {
    uint64_t now = now_ns();
    while (n) {
        const char *end = memchr(p, '\n', n);
        size_t size = end ? (size_t)(end - p) : n;
        size_t room = sizeof c->line - 1 - c->line_used;
        size_t kept = size < room ? size : room; /* what is longer is no tick */
        memcpy(c->line + c->line_used, p, kept);
        c->line_used += (uint8_t)kept;
        if (!end) return;
        c->line[c->line_used] = 0;
        c->line_used = 0;
        take_line(c, c->line, now);
        p += size + 1, n -= size + 1;
    }
}

static void open_one(struct client *c) {
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) die("socket");
    c->phase = CONNECTING;
    c->head = calloc(1, HEAD_MAX);
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
    if (connect(c->fd, (struct sockaddr *)&server, sizeof server) &&
        errno != EINPROGRESS)
        shut(c, false);
}

static void send_request(struct client *c) {
    if (write(c->fd, request, request_size) != (ssize_t)request_size) {
        shut(c, false);
        return;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
    c->phase = HEAD;
}

static void read_some(struct client *c) {
    ssize_t n = read(c->fd, buffer, sizeof buffer);
    const char *p = buffer;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        resets += n < 0;
        shut(c, true);
        return;
    }
    if (c->phase == HEAD) {
        long used = take_head(c, p, (size_t)n);
        if (used == 0) return;
        if (used < 0 || status_of(c) != 200) {
            if (failed < 3) fprintf(stderr, "refused: %.80s\n", c->head);
            shut(c, false);
            return;
        }
        c->phase = BODY;
        free(c->head);
        c->head = NULL;
        opened++;
        p += used, n -= used;
    }
    decode(c, p, (size_t)n, take_lines);
    /* a body that ended well is over, though the connection could live on */
    if (c->framing == DONE || c->framing == BROKEN) shut(c, true);
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double delay_ms(double part) {
    if (!delays_used) return 0;
    return delays[(size_t)((double)(delays_used - 1) * part)] / 1e3;
}

static int dropped;

static int open_now(void) { return opened - closed - dropped; }

static void report(const char *event, uint64_t since) {
    uint32_t least = UINT32_MAX, most = 0;
    for (int i = 0; i < total; i++)
        if (clients[i].phase == BODY) {
            if (clients[i].since < least) least = clients[i].since;
            if (clients[i].since > most) most = clients[i].since;
        }
    qsort(delays, delays_used, sizeof *delays, by_size);
    printf("{\"event\":\"%s\",\"seconds\":%.4f,\"opened\":%d,\"failed\":%d,"
           "\"open\":%d,\"closed\":%d,\"resets\":%d,\"finished\":%d,\"broken\":%d,"
           "\"lines\":%lu,\"gaps\":%lu,\"strays\":%lu,\"least\":%u,\"most\":%u,"
           "\"counted\":%zu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,"
           "\"span_ms\":%.3f,"
           "\"last_close_ns\":%lu}\n",
           event, (double)(now_ns() - since) / 1e9, opened, failed, open_now(),
           closed, resets, finished, broken, lines, gaps, strays,
           least == UINT32_MAX ? 0 : least, most, delays_used, delay_ms(0.5),
           delay_ms(0.99), delay_ms(1),
           first_made ? (double)(last_read - first_made) / 1e6 : 0, last_close);
    fflush(stdout);
}

/* Handles what came in; true when stdin has something to say. */
static bool turn(int wait_ms) {
    struct epoll_event events[512];
    bool told = false;
    int n = epoll_wait(poller, events, 512, wait_ms);
    for (int i = 0; i < n; i++) {
        struct client *c = events[i].data.ptr;
        if (!c) told = true;
        else if (c->phase == CONNECTING) send_request(c);
        else if (c->phase != CLOSED) read_some(c);
    }
    return told;
}

static void drop(int count) {
    for (int i = 0; i < total && count; i++)
        if (clients[i].phase == BODY) {
            shut(&clients[i], false);
            dropped++, count--;
        }
}

static void hold(int in_flight) {
    uint64_t begin = now_ns();
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    clients = calloc((size_t)total, sizeof *clients);
    poller = epoll_create1(0);
    while (opened + failed < total && now_ns() - begin < CONNECT_LIMIT_NS) {
        while (started < total && started - opened - failed < in_flight)
            open_one(&clients[started++]);
        turn(1000);
    }
    report("open", begin);
    epoll_ctl(poller, EPOLL_CTL_ADD, 0, &event);
    char command[128];
    for (;;) {
        long first = 0, timeout = 0;
        uint64_t mark, limit;
        if (!turn(1000)) continue;
        if (!fgets(command, sizeof command, stdin)) return;
        mark = now_ns();
        if (sscanf(command, "collect %ld %ld", &first, &timeout) == 2) {
            limit = mark + (uint64_t)timeout * 1000000ull;
            wanted = (uint32_t)first;
            reached = 0;
            delays_used = 0;
            first_made = last_read = 0;
            for (int i = 0; i < total; i++)
                clients[i].since = 0, clients[i].reached = false;
            while (reached < open_now() && now_ns() < limit) turn(100);
            report("collected", mark);
            wanted = 0;
        } else if (sscanf(command, "drop %ld", &first) == 1) {
            drop((int)first);
            report("dropped", mark);
        } else if (sscanf(command, "wait %ld", &timeout) == 1) {
            limit = mark + (uint64_t)timeout * 1000000ull;
            while (open_now() > 0 && now_ns() < limit) turn(100);
            report("closed", mark);
        }
    }
}

int main(int argc, char **argv) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    setvbuf(stdin, NULL, _IONBF, 0); /* epoll must see every waiting command */
    if (argc >= 7 && !strcmp(argv[1], "sink")) {
        char more[256];
        snprintf(more, sizeof more, "Connection: close\r\n%s%s%s",
                 argc > 7 ? "Accept-Encoding: " : "", argc > 7 ? argv[7] : "",
                 argc > 7 ? "\r\n" : "");
        set_up(argv[2], argv[3], argv[4], more);
        for (int i = 0; i < atoi(argv[5]); i++)
            fetch_once(strtoull(argv[6], NULL, 10) * 1000000ull);
        return 0;
    }
    listens = !strcmp(argc > 1 ? argv[1] : "", "listen");
    if (argc == 7 && (listens || !strcmp(argv[1], "hold"))) {
        set_up(argv[2], argv[3], argv[4],
               listens ? "Accept: text/event-stream\r\n" : "");
        total = atoi(argv[5]);
        hold(atoi(argv[6]));
        return 0;
    }
    fputs("usage: load sink HOST PORT PATH REPEATS PROGRESS_MS [ENCODING]\n"
          "       load hold|listen HOST PORT PATH CLIENTS IN_FLIGHT\n", stderr);
    return 2;
}
