/* Sets of vehicle classes, as one text, so that a set is stored once and its order says nothing:
 * classes in ascending order of their names' bytes, with 0x1E between two. Each is its name; then
 * 0x02 where it is held only provisionally; then its codes (restrictions and the like), ascending,
 * each behind 0x1F. Names and codes are the authority's own: UTF-8 without control characters. */
#ifndef DLV_RECORD_CLASSES_H
#define DLV_RECORD_CLASSES_H

#include "base/error.h"
#include "record/terms.h"

#define CLASS_SEPARATOR 0x1E
#define CLASS_CODE 0x1F
#define CLASS_PROVISIONAL 0x02

#define CLASS_NAME_MAX 48    /* bytes of a name or a code */
#define CLASS_SET_MAX 1000   /* bytes of a set */
#define CLASS_SET_CLASSES 64 /* classes of a set */
#define CLASS_SET_CODES 128  /* codes of a set */

struct class_item {
    struct span name;
    bool is_provisional;
    struct span codes; /* 0x1F before each; empty: none */
};

/* Takes the next class of a set, at *set; it moves behind it. False at the end. */
bool class_set_next(struct span *set, struct class_item *item);

/* Takes the next code of class_item.codes. False at the end. */
bool class_code_next(struct span *codes, struct span *code);

/* Finds a class by its name. */
bool class_set_find(struct span set, struct span name, struct class_item *item);

/* Whether bytes are such a text. Total: any bytes may come. */
bool class_set_is_valid(struct span set);

/* Whether a name or a code may be one. */
bool class_name_is_valid(struct span name);

/* -1, 0 or 1, by bytes; a shorter text is before a longer one that begins with it. */
int span_compare(struct span a, struct span b);

/* A set that is being put together, in any order. Its texts belong to the caller. */
struct class_builder {
    unsigned count;
    unsigned code_count;
    struct {
        struct span name;
        bool is_provisional;
    } classes[CLASS_SET_CLASSES];
    struct {
        unsigned class_at;
        struct span code;
    } codes[CLASS_SET_CODES];
};

/* Adds a class, which may be there already: then it is provisional only where both are. Returns its
 * place, or ERR_LIMIT. */
int class_builder_add(struct class_builder *builder, struct span name, bool is_provisional);

/* Adds a code to the class at a place. 0 or ERR_LIMIT. */
int class_builder_add_code(struct class_builder *builder, int class_at, struct span code);

/* Adds all of a set. 0 or ERR_LIMIT. */
int class_builder_add_set(struct class_builder *builder, struct span set);

/* Writes the set. Returns its length, or ERR_LIMIT where it is longer than CLASS_SET_MAX. */
int class_builder_write(struct class_builder *builder, char text[CLASS_SET_MAX]);

#endif
