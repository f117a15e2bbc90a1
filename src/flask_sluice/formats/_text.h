/* Text as a field of CSV, in UTF-8.
 *
 * In: a str, and the layout of a file. Out: the field, at the end of a buffer. It refuses
 * to change the str: asked for its UTF-8, CPython would keep that with it.
 */
#ifndef FLASK_SLUICE_TEXT_H
#define FLASK_SLUICE_TEXT_H

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Room for the longest text of a number, date or UUID, with quotes: a UUID's has 36. */
#define PLAIN_ROOM 64

typedef struct {
    Py_ssize_t width;
    const char *line_end;
    Py_ssize_t line_end_size;
    PyObject *null;
    PyObject *make;
    char delimiter;
    bool quote_all, guard, comma, plain;
} layout;

/* --- the buffer ------------------------------------------------------------ */

typedef struct {
    char *start;
    size_t size, room;
} buffer;

static int
grow(buffer *b, size_t more)
{
    if (more > (size_t)PY_SSIZE_T_MAX - b->size) {
        PyErr_NoMemory();
        return -1;
    }
    size_t room = b->size + more;
    if (room < b->room + b->room / 2) {
        room = b->room + b->room / 2;
    }
    char *start = PyMem_Realloc(b->start, room);
    if (start == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    b->start = start;
    b->room = room;
    return 0;
}

static inline int
reserve(buffer *b, size_t more)
{
    return b->room - b->size >= more ? 0 : grow(b, more);
}

/* --- text ------------------------------------------------------------------ */

#define EACH_BYTE UINT64_C(0x0101010101010101)

/* Whether one of eight bytes is zero. */
static inline uint64_t
has_zero(uint64_t word)
{
    return (word - EACH_BYTE) & ~word & (EACH_BYTE << 7);
}

static inline bool
is_special(Py_UCS4 c, char delimiter)
{
    return c == '"' || c == '\n' || c == '\r' || c == (unsigned char)delimiter;
}

static bool
needs_quotes(const char *text, size_t size, char delimiter)
{
    uint64_t word;
    while (size >= sizeof word) {
        memcpy(&word, text, sizeof word);
        if (has_zero(word ^ (EACH_BYTE * (unsigned char)delimiter))
            | has_zero(word ^ (EACH_BYTE * '"')) | has_zero(word ^ (EACH_BYTE * '\n'))
            | has_zero(word ^ (EACH_BYTE * '\r'))) {
            return true;
        }
        text += sizeof word;
        size -= sizeof word;
    }
    for (; size; text++, size--) {
        if (is_special((unsigned char)*text, delimiter)) {
            return true;
        }
    }
    return false;
}

static inline bool
starts_a_formula(Py_UCS4 c)
{
    return c == '=' || c == '+' || c == '-' || c == '@' || c == '\t' || c == '\r';
}

/* A text beyond ASCII, as UTF-8, its quotes doubled. There is room for it. */
static char *
put_utf8(char *p, int kind, const void *data, Py_ssize_t length)
{
    for (Py_ssize_t i = 0; i < length; i++) {
        Py_UCS4 c = PyUnicode_READ(kind, data, i);
        if (c < 0x80) {
            if (c == '"') {
                *p++ = '"';
            }
            *p++ = (char)c;
        }
        else if (c < 0x800) {
            *p++ = (char)(0xc0 | c >> 6);
            *p++ = (char)(0x80 | (c & 0x3f));
        }
        else if (c < 0x10000) {
            *p++ = (char)(0xe0 | c >> 12);
            *p++ = (char)(0x80 | (c >> 6 & 0x3f));
            *p++ = (char)(0x80 | (c & 0x3f));
        }
        else {
            *p++ = (char)(0xf0 | c >> 18);
            *p++ = (char)(0x80 | (c >> 12 & 0x3f));
            *p++ = (char)(0x80 | (c >> 6 & 0x3f));
            *p++ = (char)(0x80 | (c & 0x3f));
        }
    }
    return p;
}

/* The size of the same, and whether it needs quotes; -1 for a lone surrogate. */
static Py_ssize_t
utf8_size(int kind, const void *data, Py_ssize_t length, char delimiter, bool *special)
{
    Py_ssize_t size = 0;
    for (Py_ssize_t i = 0; i < length; i++) {
        Py_UCS4 c = PyUnicode_READ(kind, data, i);
        if (c < 0x80) {
            size += 1 + (c == '"');
            *special |= is_special(c, delimiter);
        }
        else if (c < 0x800) {
            size += 2;
        }
        else if (c >= 0xd800 && c < 0xe000) {
            PyErr_SetString(PyExc_ValueError, "a lone surrogate");
            return -1;
        }
        else {
            size += c < 0x10000 ? 3 : 4;
        }
    }
    return size;
}

static int
put_text(buffer *b, PyObject *text, const layout *l, bool guard)
{
#if PY_VERSION_HEX < 0x030C0000
    if (PyUnicode_READY(text) < 0) {
        return -1;
    }
#endif
    Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    int kind = PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    bool ascii = PyUnicode_MAX_CHAR_VALUE(text) < 0x80;
    bool quotes = l->quote_all || (length == 0 && l->width == 1);
    bool doubled = true; /* there may be quotes inside */
    Py_ssize_t size = length;

    if (ascii) {
        if (needs_quotes(data, (size_t)length, l->delimiter)) {
            quotes = true;
            const char *all = data;
            for (Py_ssize_t i = 0; i < length; i++) {
                size += all[i] == '"';
            }
        }
        doubled = size != length;
    }
    else {
        size = utf8_size(kind, data, length, l->delimiter, &quotes);
        if (size < 0) {
            return -1;
        }
    }
    if (reserve(b, (size_t)size + PLAIN_ROOM) < 0) {
        return -1;
    }

    char *p = b->start + b->size;
    if (quotes) {
        *p++ = '"';
    }
    if (guard && length && starts_a_formula(PyUnicode_READ(kind, data, 0))) {
        *p++ = '\'';
    }
    if (ascii && !doubled) {
        memcpy(p, data, (size_t)length);
        p += length;
    }
    else {
        p = put_utf8(p, kind, data, length);
    }
    if (quotes) {
        *p++ = '"';
    }
    b->size = (size_t)(p - b->start);
    return 0;
}
#endif
