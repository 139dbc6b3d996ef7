/* Look-ups side by side: dlv's, alone and in batches, against what else could hold the same keys.
 *
 *   lookup COUNT FOLDER [own]
 *
 * With "own", only what is built on dlv's own file.
 * One thread, warm, half of the questions are misses; nanoseconds a look-up and ratios to dlv_find.
 * Every contestant must give the same number of hits. */
#include "crypto/rsa_key.h"
#include "database.h"
#include "db/find.h"
#include "db/proof.h"

#include <cdb.h>
#include <fcntl.h>
#include <lmdb.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define QUESTIONS 1000000u
#define ROUNDS 10

static uint64_t count;
static uint8_t *questions; /* QUESTIONS * DB_KEY_LEN */
static struct db db;

/* What a look-up is for: check codes and terms. */
#define VALUE_LEN (CODES_LEN + DB_TERMS_LEN)

static const uint8_t *value_of(uint64_t at) {
    return db_entry(&db, at) + ENTRY_CODES;
}

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void fail(const char *what) {
    fprintf(stderr, "lookup: %s\n", what);
    exit(2);
}

/* The i-th key; those below `count` are in the databases. */
static void make_key(uint8_t key[DB_KEY_LEN], uint64_t i) {
    sha256(key, &i, sizeof i);
}

static uint64_t random_below(uint64_t n) {
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % n;
}

/* Runs a contestant over all questions; the best of some rounds. */
static double measure(const char *name, size_t (*run)(void), double base) {
    double best = 1e18;
    size_t hits = 0;
    for (int round = 0; round < ROUNDS + 1; round++) { /* the first one warms up */
        double start = now_ns();
        hits = run();
        double ns = (now_ns() - start) / QUESTIONS;
        if (round > 0 && ns < best)
            best = ns;
    }
    if (hits != QUESTIONS / 2)
        fail("a contestant gives other answers");
    printf("%-34s %9.1f ns %8.2f x\n", name, best, base > 0 ? best / base : 1.0);
    fflush(stdout);
    return best;
}

/* --- dlv -------------------------------------------------------------------------------------- */

/* A look-up ends with the terms of what was found. */
static uint64_t touched;

static size_t run_find(void) {
    size_t hits = 0;
    for (size_t i = 0; i < QUESTIONS; i++) {
        uint64_t at;
        if (db_find(&db, questions + i * DB_KEY_LEN, &at)) {
            touched += value_of(at)[0];
            hits++;
        }
    }
    return hits;
}

static size_t run_batch(size_t n) {
    size_t hits = 0;
    for (size_t i = 0; i < QUESTIONS; i += n) {
        uint8_t found[DB_BATCH_MAX];
        uint64_t at[DB_BATCH_MAX];
        db_find_batch(&db, questions + i * DB_KEY_LEN, n, found, at);
        for (size_t j = 0; j < n; j++) {
            if (found[j]) {
                touched += value_of(at[j])[0];
                hits++;
            }
        }
    }
    return hits;
}

static size_t run_batch_16(void) {
    return run_batch(16);
}

static size_t run_batch_64(void) {
    return run_batch(64);
}

/* A proof is dearer than a look-up, so fewer of them are timed. */
static void measure_proofs(void) {
    static struct proof proof;
    enum { PROOFS = 20000 };
    double start = now_ns();
    for (size_t i = 0; i < PROOFS; i++) {
        db_prove(&db, questions + i * DB_KEY_LEN, merkle_held_level(count), &proof);
        touched += proof.entry_count;
    }
    printf("%-34s %9.1f ns\n", "dlv db_prove, half of absence", (now_ns() - start) / PROOFS);
}

/* --- plain binary search over the same mapped keys ------------------------------------------- */

static size_t run_binary(void) {
    size_t hits = 0;
    for (size_t i = 0; i < QUESTIONS; i++) {
        const uint8_t *key = questions + i * DB_KEY_LEN;
        uint64_t low = 0, high = count;
        while (low < high) {
            uint64_t middle = low + (high - low) / 2;
            int order = memcmp(db_entry(&db, middle), key, DB_KEY_LEN);
            if (order == 0) {
                touched += value_of(middle)[0];
                hits++;
                break;
            }
            if (order < 0)
                low = middle + 1;
            else
                high = middle;
        }
    }
    return hits;
}

/* --- the bound: a hash table in memory ------------------------------------------------------- */

struct slot {
    uint8_t key[DB_KEY_LEN];
    uint8_t value[VALUE_LEN]; /* that of an entry has a status, so it is not zeros */
};

static struct slot *slots;
static uint64_t slot_mask;

static void open_hash(void) {
    uint64_t size = 1;
    while (size < count * 2)
        size *= 2;
    slot_mask = size - 1;
    slots = calloc(size, sizeof *slots);
    if (slots == NULL)
        fail("no memory for the hash table");
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *key = db_entry(&db, i);
        uint64_t at = load_le64(key + 8) & slot_mask;
        while (slots[at].value[CODES_LEN] != 0)
            at = (at + 1) & slot_mask;
        memcpy(slots[at].key, key, DB_KEY_LEN);
        memcpy(slots[at].value, value_of(i), VALUE_LEN);
    }
}

static size_t run_hash(void) {
    size_t hits = 0;
    for (size_t i = 0; i < QUESTIONS; i++) {
        const uint8_t *key = questions + i * DB_KEY_LEN;
        uint64_t at = load_le64(key + 8) & slot_mask;
        while (slots[at].value[CODES_LEN] != 0 && memcmp(slots[at].key, key, DB_KEY_LEN) != 0)
            at = (at + 1) & slot_mask;
        if (slots[at].value[CODES_LEN] != 0) {
            touched += slots[at].value[0];
            hits++;
        }
    }
    return hits;
}

/* --- tinycdb --------------------------------------------------------------------------------- */

static struct cdb cdb;

static void open_cdb(const char *folder) {
    char path[4096];
    struct cdb_make make;
    snprintf(path, sizeof path, "%s/bench.cdb", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || cdb_make_start(&make, fd) != 0)
        fail("tinycdb: cannot be made");
    for (uint64_t i = 0; i < count; i++)
        cdb_make_add(&make, db_entry(&db, i), DB_KEY_LEN, value_of(i), VALUE_LEN);
    if (cdb_make_finish(&make) != 0 || cdb_init(&cdb, fd) != 0)
        fail("tinycdb: cannot be opened");
    unlink(path);
}

static size_t run_cdb(void) {
    size_t hits = 0;
    for (size_t i = 0; i < QUESTIONS; i++) {
        if (cdb_find(&cdb, questions + i * DB_KEY_LEN, DB_KEY_LEN) > 0) {
            const uint8_t *data = cdb_getdata(&cdb);
            touched += data[0];
            hits++;
        }
    }
    return hits;
}

/* --- LMDB ------------------------------------------------------------------------------------ */

static MDB_txn *lmdb;
static MDB_dbi lmdb_table;

static MDB_val value(const uint8_t *bytes, size_t len) {
    union {
        const uint8_t *in;
        void *out;
    } pointer = {bytes};
    return (MDB_val){len, pointer.out};
}

static void open_lmdb(const char *folder) {
    char path[4096];
    MDB_env *env;
    snprintf(path, sizeof path, "%s/bench.mdb", folder);
    if (mdb_env_create(&env) != 0 || mdb_env_set_mapsize(env, (size_t)1 << 36) != 0 ||
        mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOLOCK, 0600) != 0 ||
        mdb_txn_begin(env, NULL, 0, &lmdb) != 0 || mdb_dbi_open(lmdb, NULL, 0, &lmdb_table) != 0)
        fail("LMDB: cannot be made");
    for (uint64_t i = 0; i < count; i++) {
        MDB_val key = value(db_entry(&db, i), DB_KEY_LEN);
        MDB_val data = value(value_of(i), VALUE_LEN);
        if (mdb_put(lmdb, lmdb_table, &key, &data, MDB_APPEND) != 0)
            fail("LMDB: cannot be filled");
    }
    if (mdb_txn_commit(lmdb) != 0 || mdb_txn_begin(env, NULL, MDB_RDONLY, &lmdb) != 0)
        fail("LMDB: cannot be opened");
    unlink(path);
}

static size_t run_lmdb(void) {
    size_t hits = 0;
    for (size_t i = 0; i < QUESTIONS; i++) {
        MDB_val key = value(questions + i * DB_KEY_LEN, DB_KEY_LEN);
        MDB_val data;
        if (mdb_get(lmdb, lmdb_table, &key, &data) == 0) {
            touched += *(const uint8_t *)data.mv_data;
            hits++;
        }
    }
    return hits;
}

/* --- SQLite ---------------------------------------------------------------------------------- */

static sqlite3_stmt *sqlite_select;

static void open_sqlite(const char *folder) {
    char path[4096];
    sqlite3 *handle;
    sqlite3_stmt *insert;
    snprintf(path, sizeof path, "%s/bench.sqlite", folder);
    if (sqlite3_open(path, &handle) != SQLITE_OK ||
        sqlite3_exec(
            handle,
            "pragma journal_mode=off; pragma synchronous=off; pragma mmap_size=68719476736;"
            "pragma cache_size=-1000000;"
            "create table e(k blob primary key, a integer) without rowid; begin",
            NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(handle, "insert into e values(?,?)", -1, &insert, NULL) != SQLITE_OK)
        fail("SQLite: cannot be made");
    for (uint64_t i = 0; i < count; i++) {
        sqlite3_bind_blob(insert, 1, db_entry(&db, i), DB_KEY_LEN, SQLITE_STATIC);
        sqlite3_bind_int64(insert, 2, value_of(i)[0]);
        sqlite3_step(insert);
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    if (sqlite3_exec(handle, "commit", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(handle, "select a from e where k=?", -1, &sqlite_select, NULL))
        fail("SQLite: cannot be opened");
    unlink(path);
}

static size_t run_sqlite(void) {
    size_t hits = 0;
    for (size_t i = 0; i < QUESTIONS; i++) {
        sqlite3_bind_blob(sqlite_select, 1, questions + i * DB_KEY_LEN, DB_KEY_LEN, SQLITE_STATIC);
        if (sqlite3_step(sqlite_select) == SQLITE_ROW) {
            touched += (uint64_t)sqlite3_column_int64(sqlite_select, 0);
            hits++;
        }
        sqlite3_reset(sqlite_select);
    }
    return hits;
}

/* --- the run --------------------------------------------------------------------------------- */

/* Has the file read from the disk anew, as after a restart of the machine: then the kernel can map
 * it in huge pages, as it does the memory of the hash table. */
static void drop_cached(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
        fail("the file cannot be dropped from the cache");
    close(fd);
}

/* How many of the file's pages are in the cache, as far as this process sees. */
static size_t count_resident(unsigned char *resident) {
    size_t pages = (db.map_len + DB_PAGE - 1) / DB_PAGE, n = 0;
    if (mincore((void *)(uintptr_t)db.map, db.map_len, resident) != 0)
        fail("mincore");
    for (size_t i = 0; i < pages; i++)
        n += resident[i] & 1;
    return n;
}

/* Look-ups in a file that is on the disk alone: what a kiosk waits for after it was switched on. */
static void measure_cold(void) {
    enum { COLD = 2000 };
    unsigned char *resident = malloc(db.map_len / DB_PAGE + 1);
    uint8_t key[DB_KEY_LEN];
    uint64_t at;
    if (resident == NULL)
        fail("no memory");
    db_expect_few(&db);
    size_t before = count_resident(resident);
    double start = now_ns();
    for (int i = 0; i < COLD; i++) {
        make_key(key, random_below(2 * count)); /* half of them misses */
        if (db_find(&db, key, &at))
            touched += value_of(at)[0];
    }
    double us = (now_ns() - start) / COLD / 1000;
    printf("cold: %.2f pages read a look-up, %.0f us\n",
           (double)(count_resident(resident) - before) / COLD, us);
    free(resident);
}

static void build(const char *folder) {
    static struct rsa_private authority;
    static struct key_set authorities;
    char path[4096];
    struct random random;
    struct error error;
    snprintf(path, sizeof path, "%s/bench.db", folder);
    if (random_open(&random, &error) != 0 || !rsa_generate(&authority, 2048, &random))
        fail("no key");
    key_set_add(&authorities, &authority.public);
    const struct build_settings settings = {
        .path = path,
        .authority = &authority,
        .followed = &authorities,
        .facts = {.sequence = 1, .name = "bench", .fields = {1, {FIELD_NAME}}},
        .memory = (size_t)4 << 30,
        .temporary_folder = folder,
        .thread_count = 2};
    if (database_make(&settings, count, make_key, &error) < 0)
        fail(error.text);
    drop_cached(path);
    if (db_open(&db, path, &authorities, &error) != 0)
        fail(error.text);
    measure_cold();
    db_close(&db);
    drop_cached(path);
    if (db_open(&db, path, &authorities, &error) != 0 ||
        db_populate(&db, 0, db.map_len, path, &error) != 0)
        fail(error.text);
    unlink(path);
}

/* Half of them are there. In no order that a processor could learn. */
static void make_questions(void) {
    questions = malloc((size_t)QUESTIONS * DB_KEY_LEN);
    if (questions == NULL)
        fail("no memory for the questions");
    for (size_t i = 0; i < QUESTIONS; i++) {
        uint8_t key[DB_KEY_LEN], *last = questions + i * DB_KEY_LEN;
        uint8_t *other = questions + random_below(i + 1) * DB_KEY_LEN;
        make_key(key, random_below(count) + (i % 2 ? count : 0));
        memmove(last, other, DB_KEY_LEN); /* may be the same */
        memcpy(other, key, DB_KEY_LEN);
    }
}

int main(int argc, char **argv) {
    if (argc < 3 || (count = strtoull(argv[1], NULL, 10)) == 0)
        fail("want COUNT FOLDER [own]");
    build(argv[2]);
    make_questions();
    printf("look-ups among %llu entries, half misses, one thread, warm\n",
           (unsigned long long)count);
    double base = measure("dlv db_find", run_find, 0);
    measure("dlv db_find_batch, 16", run_batch_16, base);
    measure("dlv db_find_batch, 64", run_batch_64, base);
    measure_proofs();
    measure("binary search, same keys", run_binary, base);
    open_hash();
    measure("hash table in memory (the bound)", run_hash, base);
    free(slots);
    if (argc > 3)
        return touched == 0;
    open_cdb(argv[2]);
    measure("tinycdb", run_cdb, base);
    open_lmdb(argv[2]);
    measure("LMDB", run_lmdb, base);
    open_sqlite(argv[2]);
    measure("SQLite", run_sqlite, base);
    return touched == 0;
}
