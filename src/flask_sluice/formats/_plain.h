/* Values whose text needs no quotes, unless the delimiter is a strange one: numbers,
 * dates, UUIDs.
 *
 * In: a value of any type, and room for PLAIN_ROOM bytes. Out: where its text ends. It
 * refuses subclasses, whose text may be another: those are Python's to write.
 */
#ifndef FLASK_SLUICE_PLAIN_H
#define FLASK_SLUICE_PLAIN_H

#include <Python.h>
#include <datetime.h>

#include "_digits.h"
#include "_text.h"

typedef struct {
    PyTypeObject *date, *datetime, *time, *decimal, *uuid;
    PyObject *utc;
    PyObject *name_int; /* "int" */
    PyObject *bits;     /* 64 */
    PyObject *table;    /* bytes, which `powers` is in */
#if HAS_DIGITS
    const power *powers;
#endif
} module_state;

static inline char *
put_date(char *p, int year, int month, int day)
{
    p = put_pair(p, (unsigned int)year / 100);
    p = put_pair(p, (unsigned int)year % 100);
    *p++ = '-';
    p = put_pair(p, (unsigned int)month);
    *p++ = '-';
    return put_pair(p, (unsigned int)day);
}

static inline char *
put_time(char *p, int hour, int minute, int second, int microsecond)
{
    p = put_pair(p, (unsigned int)hour);
    *p++ = ':';
    p = put_pair(p, (unsigned int)minute);
    *p++ = ':';
    p = put_pair(p, (unsigned int)second);
    if (microsecond) {
        *p++ = '.';
        p = put_pair(p, (unsigned int)microsecond / 10000);
        p = put_pair(p, (unsigned int)microsecond / 100 % 100);
        p = put_pair(p, (unsigned int)microsecond % 100);
    }
    return p;
}

/* The 128 bits of a UUID's `int`: 1, or 0 if it isn't such a number, or -1. */
static int
uuid_bits(PyObject *value, const module_state *state, uint64_t halves[2])
{
    PyObject *whole = PyObject_GetAttr(value, state->name_int);
    if (whole == NULL) {
        return -1;
    }
    int found = 0;
    if (PyLong_CheckExact(whole)) {
        PyObject *upper = PyNumber_Rshift(whole, state->bits);
        if (upper == NULL) {
            found = -1;
        }
        else {
            halves[0] = PyLong_AsUnsignedLongLong(upper);
            halves[1] = PyLong_AsUnsignedLongLongMask(whole);
            found = 1;
            if (PyErr_Occurred()) {
                found = PyErr_ExceptionMatches(PyExc_OverflowError) ? 0 : -1;
                if (found == 0) {
                    PyErr_Clear();
                }
            }
            Py_DECREF(upper);
        }
    }
    Py_DECREF(whole);
    return found;
}

static char *
put_uuid(char *p, const uint64_t halves[2])
{
    for (int i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20) {
            *p++ = '-';
        }
        *p++ = "0123456789abcdef"[halves[i / 16] >> (60 - 4 * (i % 16)) & 15];
    }
    return p;
}

/* A value of a type that is written here: where its text ends. NULL without an
 * exception: it has to be made by Python. */
static char *
put_plain(char *p, PyObject *value, const layout *l, const module_state *state)
{
    PyTypeObject *type = Py_TYPE(value);

    if (type == &PyLong_Type) {
        int overflow;
        long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
        if (overflow || (number == -1 && PyErr_Occurred())) {
            return NULL;
        }
        if (number < 0) {
            *p++ = '-';
            return put_unsigned(p, 0 - (uint64_t)number);
        }
        return put_unsigned(p, (uint64_t)number);
    }
    if (type == &PyFloat_Type) {
        char *start = p;
#if HAS_DIGITS
        p = put_double(p, PyFloat_AS_DOUBLE(value), state->powers);
#else
        char *text = PyOS_double_to_string(
            PyFloat_AS_DOUBLE(value), 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
        if (text == NULL) {
            return NULL;
        }
        size_t size = strlen(text);
        memcpy(p, text, size);
        p += size;
        PyMem_Free(text);
#endif
        char *point = l->comma ? memchr(start, '.', (size_t)(p - start)) : NULL;
        if (point != NULL) {
            *point = ',';
        }
        return p;
    }
    if (type == &PyBool_Type) {
        if (value == Py_True) {
            memcpy(p, "True", 4);
            return p + 4;
        }
        memcpy(p, "False", 5);
        return p + 5;
    }
    if (type == state->datetime) {
        PyObject *zone = PyDateTime_DATE_GET_TZINFO(value);
        if (zone != Py_None && zone != state->utc) {
            return NULL;
        }
        p = put_date(p, PyDateTime_GET_YEAR(value), PyDateTime_GET_MONTH(value),
                     PyDateTime_GET_DAY(value));
        *p++ = ' ';
        p = put_time(p, PyDateTime_DATE_GET_HOUR(value),
                     PyDateTime_DATE_GET_MINUTE(value), PyDateTime_DATE_GET_SECOND(value),
                     PyDateTime_DATE_GET_MICROSECOND(value));
        if (zone == state->utc) {
            memcpy(p, "+00:00", 6);
            p += 6;
        }
        return p;
    }
    if (type == state->date) {
        return put_date(p, PyDateTime_GET_YEAR(value), PyDateTime_GET_MONTH(value),
                        PyDateTime_GET_DAY(value));
    }
    if (type == state->time && PyDateTime_TIME_GET_TZINFO(value) == Py_None) {
        return put_time(p, PyDateTime_TIME_GET_HOUR(value),
                        PyDateTime_TIME_GET_MINUTE(value),
                        PyDateTime_TIME_GET_SECOND(value),
                        PyDateTime_TIME_GET_MICROSECOND(value));
    }
    if (type == state->uuid) {
        uint64_t halves[2];
        return uuid_bits(value, state, halves) == 1 ? put_uuid(p, halves) : NULL;
    }
    return NULL;
}
#endif
