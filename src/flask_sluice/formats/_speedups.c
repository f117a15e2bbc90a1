/* Rows as lines of CSV: the twin of _rows.py, byte by byte.
 *
 * In: a batch of tuples, a Layout, and the function that gives the text of any value.
 * Out: bytes, or an exception and nothing done: `careful` then finds the row and the
 * column. It refuses to guess: a row is an exact tuple, a value is written here only if
 * its type is exactly one of those below, and all others go to that function one by one.
 *
 * Only CPython's public C API is used. No object is changed, not even a string's cache
 * of its UTF-8, and what Python code may change while it runs is held by a copy.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "_plain.h"
#include "_text.h"

/* --- values, rows, batches ------------------------------------------------- */

static int
put_by_python(buffer *b, PyObject *value, const layout *l, const module_state *state)
{
    PyObject *text;
    if (Py_TYPE(value) == state->decimal && !l->comma) {
        text = PyObject_Str(value);
    }
    else {
        text = PyObject_CallOneArg(l->make, value);
    }
    if (text == NULL) {
        return -1;
    }
    int result = -1;
    if (PyUnicode_Check(text)) {
        result = put_text(b, text, l, false);
    }
    else {
        PyErr_SetString(PyExc_TypeError, "the text of a value isn't a str");
    }
    Py_DECREF(text);
    return result;
}

static int
put_value(buffer *b, PyObject *value, const layout *l, const module_state *state)
{
    if (PyUnicode_CheckExact(value)) {
        return put_text(b, value, l, l->guard);
    }
    if (value == Py_None) {
        return put_text(b, l->null, l, false);
    }
    if (reserve(b, PLAIN_ROOM) < 0) {
        return -1;
    }
    char *start = b->start + b->size;
    char *first = start + l->quote_all;
    char *p = put_plain(first, value, l, state);
    if (p == NULL) {
        return PyErr_Occurred() ? -1 : put_by_python(b, value, l, state);
    }
    bool quotes = l->quote_all;
    if (!quotes && !l->plain && memchr(first, l->delimiter, (size_t)(p - first))) {
        memmove(first + 1, first, (size_t)(p - first));
        p++;
        quotes = true;
    }
    if (quotes) {
        *start = '"';
        *p++ = '"';
    }
    b->size = (size_t)(p - b->start);
    return 0;
}

static int
put_row(buffer *b, PyObject *row, const layout *l, const module_state *state)
{
    if (!PyTuple_CheckExact(row) || PyTuple_GET_SIZE(row) != l->width) {
        PyErr_SetString(PyExc_TypeError, "rows are tuples as long as there are columns");
        return -1;
    }
    for (Py_ssize_t i = 0; i < l->width; i++) {
        if (i) {
            if (reserve(b, 1) < 0) {
                return -1;
            }
            b->start[b->size++] = l->delimiter;
        }
        if (put_value(b, PyTuple_GET_ITEM(row, i), l, state) < 0) {
            return -1;
        }
    }
    if (reserve(b, (size_t)l->line_end_size) < 0) {
        return -1;
    }
    memcpy(b->start + b->size, l->line_end, (size_t)l->line_end_size);
    b->size += (size_t)l->line_end_size;
    return 0;
}

static int
read_layout(PyObject *given, PyObject *make, layout *l)
{
    int delimiter, quote_all, guard, comma;
    if (!PyTuple_Check(given)) {
        PyErr_SetString(PyExc_TypeError, "a Layout is a tuple");
        return -1;
    }
    if (!PyArg_ParseTuple(given, "nCs#pppU:Layout", &l->width, &delimiter, &l->line_end,
                          &l->line_end_size, &quote_all, &guard, &comma, &l->null)) {
        return -1;
    }
    if (delimiter >= 0x80) {
        PyErr_SetString(PyExc_ValueError, "the delimiter isn't ASCII");
        return -1;
    }
    l->delimiter = (char)delimiter;
    l->quote_all = quote_all;
    l->guard = guard;
    l->comma = comma;
    /* As Layout.plain: whether the delimiter can't be part of a number or date. */
    l->plain = !(Py_ISALNUM(delimiter) || strchr("_.:+ -", delimiter)
                 || (comma && delimiter == ','));
    l->make = make;
    return 0;
}

static PyObject *
encode(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    layout l;
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "encode(batch, layout, make)");
        return NULL;
    }
    if (read_layout(args[1], args[2], &l) < 0) {
        return NULL;
    }
    const module_state *state = PyModule_GetState(module);
    /* A copy: Python code that runs on the way may change a list. */
    PyObject *rows = PySequence_Tuple(args[0]);
    if (rows == NULL) {
        return NULL;
    }
    PyObject *result = NULL;
    buffer b = {NULL, 0, 0};
    Py_ssize_t height = PyTuple_GET_SIZE(rows);
    size_t guess = 256;
    if (l.width > 0 && l.width < 4096 && height < 65536) {
        guess += (size_t)height * (size_t)l.width * 8;
    }
    if (reserve(&b, guess) < 0) {
        goto done;
    }
    for (Py_ssize_t i = 0; i < height; i++) {
        if (put_row(&b, PyTuple_GET_ITEM(rows, i), &l, state) < 0) {
            goto done;
        }
    }
    result = PyBytes_FromStringAndSize(b.start, (Py_ssize_t)b.size);
done:
    PyMem_Free(b.start);
    Py_DECREF(rows);
    return result;
}

/* --- the module ------------------------------------------------------------ */

static PyObject *
import_from(const char *module, const char *name)
{
    PyObject *found = NULL;
    PyObject *imported = PyImport_ImportModule(module);
    if (imported != NULL) {
        found = PyObject_GetAttrString(imported, name);
        Py_DECREF(imported);
    }
    return found;
}

static PyTypeObject *
import_type(const char *module, const char *name)
{
    PyObject *found = import_from(module, name);
    if (found != NULL && !PyType_Check(found)) {
        PyErr_Format(PyExc_ImportError, "%s.%s isn't a type", module, name);
        Py_CLEAR(found);
    }
    return (PyTypeObject *)found;
}

static int
module_exec(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
    /* Not PyDateTime_IMPORT, which sets a static variable for all interpreters. That
     * there is such a capsule tells that these types are C's, whose fields are read. */
    PyDateTime_CAPI *api = PyCapsule_Import(PyDateTime_CAPSULE_NAME, 0);
    (void)PyDateTimeAPI;
    if (api == NULL) {
        return -1;
    }
    state->date = (PyTypeObject *)Py_NewRef((PyObject *)api->DateType);
    state->datetime = (PyTypeObject *)Py_NewRef((PyObject *)api->DateTimeType);
    state->time = (PyTypeObject *)Py_NewRef((PyObject *)api->TimeType);
    state->utc = Py_NewRef(api->TimeZone_UTC);
    state->decimal = import_type("decimal", "Decimal");
    state->uuid = import_type("uuid", "UUID");
    state->name_int = PyUnicode_InternFromString("int");
    state->bits = PyLong_FromLong(64);
    if (!state->decimal || !state->uuid || !state->name_int || !state->bits) {
        return -1;
    }
#if HAS_DIGITS
    state->table = import_from("flask_sluice.formats._powers", "TABLE");
    if (state->table == NULL) {
        return -1;
    }
    if (!PyBytes_CheckExact(state->table)
        || PyBytes_GET_SIZE(state->table)
            != (LAST_POWER - FIRST_POWER + 1) * (Py_ssize_t)sizeof(power)) {
        PyErr_SetString(PyExc_ImportError, "_powers.TABLE isn't what was compiled for");
        return -1;
    }
    /* The contents of bytes are as aligned as what malloc gives, less a header of
     * machine words. */
    state->powers = (const power *)(const void *)PyBytes_AS_STRING(state->table);
#endif
    return 0;
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    module_state *state = PyModule_GetState(module);
    Py_VISIT(state->date);
    Py_VISIT(state->datetime);
    Py_VISIT(state->time);
    Py_VISIT(state->decimal);
    Py_VISIT(state->uuid);
    Py_VISIT(state->utc);
    return 0;
}

static int
module_clear(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
    Py_CLEAR(state->date);
    Py_CLEAR(state->datetime);
    Py_CLEAR(state->time);
    Py_CLEAR(state->decimal);
    Py_CLEAR(state->uuid);
    Py_CLEAR(state->utc);
    Py_CLEAR(state->name_int);
    Py_CLEAR(state->bits);
    Py_CLEAR(state->table);
    return 0;
}

static void
module_free(void *module)
{
    (void)module_clear((PyObject *)module);
}

PyDoc_STRVAR(encode_doc,
             "encode(batch, layout, make, /)\n--\n\n"
             "Encode rows; or raise anything, having done nothing.");

/* Through void (*)(void), which compilers take for any function. */
#define AS_METHOD(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef methods[] = {
    {"encode", AS_METHOD(encode), METH_FASTCALL, encode_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)module_exec},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_speedups",
    .m_doc = "Rows as lines of CSV, in C.",
    .m_size = sizeof(module_state),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__speedups(void)
{
    return PyModuleDef_Init(&definition);
}
