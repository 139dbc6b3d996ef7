#include "database.h"
#include "unit.h"

#include "base/bytes.h"
#include "base/date.h"
#include "base/parallel.h"
#include "builder/sort.h"
#include "crypto/rsa_key.h"
#include "db/find.h"
#include "db/proof.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int compare_entries(const void *a, const void *b) {
    return memcmp(a, b, SORT_KEY_LEN);
}

/* Against the C library's sort: random keys, few different ones, all equal, sorted already. */
static void test_sort(struct random *random) {
    static struct sort_entry entries[20000], expected[20000];
    for (int shape = 0; shape < 4; shape++) {
        for (size_t count = 0; count <= 20000; count = count * 3 + 1) {
            random_bytes(random, entries, count * sizeof *entries);
            for (size_t i = 0; shape > 0 && i < count; i++)
                memset(entries[i].sort_key, shape == 1 ? (int)(i % 3) : 0,
                       shape == 3 ? 34 : SORT_KEY_LEN - 2);
            memcpy(expected, entries, sizeof expected);
            qsort(expected, count, sizeof *expected, compare_entries);
            sort_entries(entries, count, shape < 2 ? 1 : 2);
            bool same = 1;
            for (size_t i = 0; i < count; i++)
                same &= memcmp(entries[i].sort_key, expected[i].sort_key, SORT_KEY_LEN) == 0;
            CHECK(same);
        }
    }
}

static void test_attributes(void) {
    struct licence licence = {.status = STATUS_REVOKED,
                              .kind = KIND_DOCUMENT,
                              .classes = 0xFFFF,
                              .valid_from = DATE_DAY_MAX,
                              .valid_to = DATE_DAY_MAX},
                   read;
    uint8_t bytes[DB_ATTRIBUTES_LEN];
    db_attributes_encode(bytes, &licence);
    CHECK(db_attributes_decode(&read, bytes));
    CHECK(read.status == licence.status && read.kind == licence.kind &&
          read.classes == licence.classes && read.valid_from == licence.valid_from &&
          read.valid_to == licence.valid_to);
    licence.valid_to++;
    db_attributes_encode(bytes, &licence);
    CHECK(!db_attributes_decode(&read, bytes));
    memset(bytes, 0, sizeof bytes);
    CHECK(!db_attributes_decode(&read, bytes));
    memset(bytes, 0xFF, sizeof bytes);
    CHECK(!db_attributes_decode(&read, bytes));
}

static void test_buckets(void) {
    uint8_t key[DB_KEY_LEN] = {0x80, 0x01, 0xFF, 0xFF, 0x12};
    CHECK(db_bucket(key, 0) == 0 && db_bucket(key, 1) == 1 && db_bucket(key, 16) == 0x8001);
    CHECK(db_bucket(key, 32) == 0x8001FFFF);
    CHECK(db_fanout_bits(1) == 0 && db_fanout_bits(4) == 0 && db_fanout_bits(5) == 1);
    CHECK(db_fanout_bits(8) == 1 && db_fanout_bits(9) == 2);
    CHECK(db_fanout_bits(UINT32_MAX) == 30);
}

static void key_of(uint8_t key[DB_KEY_LEN], uint64_t number) {
    uint32_t word = (uint32_t)number;
    sha256(key, &word, sizeof word);
}

static void build(const struct build_settings *settings, uint32_t count) {
    struct error error;
    CHECK(database_make(settings, count, key_of, &error) == count);
}

/* Every key is proved to be there, its neighbourhood not to be, and nothing else is proved. */
static void check_proofs(const struct db *db, uint32_t count) {
    static struct proof proof;
    struct licence licence;
    int wrong = 0;
    for (uint32_t i = 0; i < count + 20; i++) {
        uint8_t key[DB_KEY_LEN];
        sha256(key, &i, sizeof i);
        db_prove(db, key, &proof);
        wrong += proof_check(&db->header, key, &proof, &licence, NULL) != (i < count);
        wrong += i < count && licence.valid_from != database_licence(i).valid_from;
        key[31] ^= 1; /* the first and the last entry do prove that nothing stands beyond them */
        bool is_inner = proof.entries[0].index > 0 && proof.entries[0].index < count - 1;
        wrong +=
            i < count && is_inner && proof_check(&db->header, key, &proof, &licence, NULL) >= 0;
        db_prove(db, key, &proof);
        wrong += proof_check(&db->header, key, &proof, &licence, NULL) != 0;
        /* Any change spoils it. */
        struct proof_entry *entry = &proof.entries[proof.entry_count - 1];
        entry->attributes[i % 8] ^= 4;
        wrong += proof_check(&db->header, key, &proof, &licence, NULL) >= 0;
        entry->attributes[i % 8] ^= 4;
        entry->index ^= 1;
        wrong += proof_check(&db->header, key, &proof, &licence, NULL) >= 0;
        entry->index ^= 1;
        entry->path_len++;
        wrong += proof_check(&db->header, key, &proof, &licence, NULL) >= 0;
        entry->path_len--;
        if (entry->path_len > 0) {
            entry->path[i % entry->path_len][i % 32] ^= 1;
            wrong += proof_check(&db->header, key, &proof, &licence, NULL) >= 0;
            entry->path_len--;
            wrong += proof_check(&db->header, key, &proof, &licence, NULL) >= 0;
        }
        proof.entry_count = 0;
        wrong += proof_check(&db->header, key, &proof, &licence, NULL) >= 0;
    }
    CHECK(wrong == 0);
}

/* Every entry is found where it stands, single and in batches; what is not there is placed. */
static void check_look_ups(const struct db *db, uint32_t count) {
    enum { BATCH = DB_BATCH_MAX };
    uint8_t keys[BATCH * DB_KEY_LEN], found[BATCH];
    uint64_t at[BATCH];
    int wrong = 0;
    for (uint32_t first = 0; first < 2 * count; first += BATCH) {
        for (uint32_t i = 0; i < BATCH; i++) {
            uint32_t number = first + i;
            sha256(keys + i * DB_KEY_LEN, &number, sizeof number);
        }
        db_find_batch(db, keys, BATCH, found, at);
        for (uint32_t i = 0; i < BATCH; i++) {
            const uint8_t *key = keys + i * DB_KEY_LEN;
            uint64_t single;
            wrong += db_find(db, key, &single) != found[i] || single != at[i];
            wrong += found[i] != (first + i < count);
            wrong += single > 0 && memcmp(db->keys + (single - 1) * DB_KEY_LEN, key, 32) >= 0;
            wrong += single < count && memcmp(db->keys + single * DB_KEY_LEN, key, 32) < 0;
        }
    }
    CHECK(wrong == 0);
    uint8_t edge[DB_KEY_LEN] = {0};
    uint64_t where;
    CHECK(!db_find(db, edge, &where) && where == 0);
    memset(edge, 0xFF, sizeof edge);
    CHECK(!db_find(db, edge, &where) && where == count);
}

/* Keys that begin alike, as only documents' that somebody made up can, in one bucket. */
static void test_keys_that_begin_alike(void) {
    enum { COUNT = 90, ASKED = 3 * COUNT };
    static uint8_t keys[COUNT * DB_KEY_LEN], attributes[COUNT * DB_ATTRIBUTES_LEN];
    static uint8_t fanout[2 * DB_FANOUT_LEN], asked[ASKED * DB_KEY_LEN];
    struct db db = {
        .header.count = COUNT, .keys = keys, .attributes = attributes, .fanout = fanout};
    int wrong = 0;
    store_le32(fanout + DB_FANOUT_LEN, COUNT);
    for (unsigned i = 0; i < COUNT; i++) { /* nine of each head; the two next to it are not there */
        keys[i * DB_KEY_LEN + 7] = (uint8_t)(1 + i / 9);
        keys[i * DB_KEY_LEN + 20 + i % 5] = (uint8_t)(2 * (i % 9) + 2);
    }
    for (unsigned i = 1; i < COUNT; i++) { /* in order */
        for (unsigned j = i; j > 0; j--) {
            uint8_t *one = keys + (j - 1) * DB_KEY_LEN, *two = one + DB_KEY_LEN, spare[DB_KEY_LEN];
            if (memcmp(one, two, DB_KEY_LEN) <= 0)
                break;
            memcpy(spare, one, DB_KEY_LEN);
            memcpy(one, two, DB_KEY_LEN);
            memcpy(two, spare, DB_KEY_LEN);
        }
    }
    for (unsigned i = 0; i < ASKED; i++) {
        memcpy(asked + i * DB_KEY_LEN, keys + i / 3 * DB_KEY_LEN, DB_KEY_LEN);
        asked[i * DB_KEY_LEN + 31] = (uint8_t)(i % 3);
        asked[i * DB_KEY_LEN + 7] = (uint8_t)(asked[i * DB_KEY_LEN + 7] + (i % 3 == 2 ? i % 2 : 0));
    }
    for (unsigned first = 0; first < ASKED; first += 45) {
        uint8_t found[45];
        uint64_t at[45], single;
        db_find_batch(&db, asked + first * DB_KEY_LEN, 45, found, at);
        for (unsigned i = 0; i < 45; i++) {
            wrong += db_find(&db, asked + (first + i) * DB_KEY_LEN, &single) != found[i];
            wrong += single != at[i] || found[i] != ((first + i) % 3 == 0);
        }
    }
    CHECK(wrong == 0);
}

/* Whoever writes into a published file, where a new one should take its place. */
struct scribbler {
    int fd;
    atomic_bool is_over;
    uint8_t pages[2][DB_PAGE];
};

static void *scribble(void *context) {
    struct scribbler *scribbler = context;
    for (unsigned i = 0; !atomic_load(&scribbler->is_over); i++)
        CHECK(pwrite(scribbler->fd, scribbler->pages[i % 2], DB_PAGE, 0) == DB_PAGE);
    return NULL;
}

/* The header that was verified is the one that is used: both are signed, and one takes the other's
 * place between the two readings. */
static void test_changed_while_opened(const struct build_settings *settings) {
    static struct scribbler scribbler;
    struct build_settings settings_now = *settings;
    struct error error;
    struct db db;
    pthread_t thread;
    int refused = 0;
    for (int i = 0; i < 2; i++) {
        settings_now.facts.sequence = (uint64_t)i + 1;
        build(&settings_now, 3);
        scribbler.fd = open(settings->path, O_RDWR);
        CHECK(pread(scribbler.fd, scribbler.pages[i], DB_PAGE, 0) == DB_PAGE);
        if (i == 0)
            close(scribbler.fd);
    }
    CHECK(pthread_create(&thread, NULL, scribble, &scribbler) == 0);
    for (int i = 0; i < 20000 && refused < 3; i++) {
        if (db_open(&db, settings->path, &settings->authority->public, &error) == 0)
            db_close(&db);
        else
            refused += strstr(error.text, "changed while it was opened") != NULL;
    }
    atomic_store(&scribbler.is_over, true);
    pthread_join(thread, NULL);
    close(scribbler.fd);
    CHECK(refused == 3);
}

static void test_database(struct random *random) {
    static struct rsa_private authority;
    char path[] = "/tmp/dlv-unit-XXXXXX";
    struct error error;
    struct db db;
    CHECK(rsa_generate(&authority, 2048, random));
    close(mkstemp(path));
    const struct build_settings settings = {
        .path = path,
        .authority = &authority,
        .facts = {.sequence = 1, .class_names = class_names_default},
        .memory = 1 << 20,
        .temporary_folder = "/tmp",
        .thread_count = 2};
    static const uint32_t counts[] = {1, 2, 3, 5, 15, 16, 17, 33, 100, 3000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        build(&settings, counts[i]);
        CHECK(db_open(&db, path, &authority.public, &error) == 0);
        CHECK(db_verify(&db, parallel_processors(), path, &error) == 0);
        check_look_ups(&db, counts[i]);
        check_proofs(&db, counts[i]);

        uint32_t number = 0;
        uint8_t digest[SHA256_LEN];
        struct db_answer answer;
        sha256(digest, &number, sizeof number);
        db_ask(&db, NULL, digest, KIND_RECORD, 5, &answer);
        CHECK(answer.is_found && answer.verdict == VERDICT_VALID && answer.licence.valid_to == 10);
        db_ask(&db, NULL, digest, KIND_NUMBER, 5, &answer);
        CHECK(!answer.is_found && answer.verdict == VERDICT_UNKNOWN);
        db_ask(&db, NULL, digest, KIND_ANY, 11, &answer);
        CHECK(answer.verdict == VERDICT_EXPIRED);
        db_close(&db);
    }
    struct build_settings sparing = settings; /* some thirty runs, which are merged */
    sparing.memory = 1 << 16;
    build(&sparing, 20000);
    CHECK(db_open(&db, path, &authority.public, &error) == 0);
    CHECK(db_verify(&db, parallel_processors(), path, &error) == 0);
    check_look_ups(&db, 20000);
    db_close(&db);
    test_changed_while_opened(&settings);
    unlink(path);
}

/* Buckets of any size: one for all keys here, searched from both ends. */
static void test_large_buckets(void) {
    enum { COUNT = 100 };
    static uint8_t keys[COUNT * DB_KEY_LEN];
    uint8_t fanout[2 * DB_FANOUT_LEN], key[DB_KEY_LEN];
    int wrong = 0;
    for (uint32_t i = 0; i < COUNT;
         i++) { /* the same leading bytes, so that all 32 are looked at */
        memset(keys + i * DB_KEY_LEN, 0x55, DB_KEY_LEN);
        keys[i * DB_KEY_LEN + (i < 50 ? 31 : 3)] = (uint8_t)(2 * i);
    }
    for (uint32_t count = 0; count <= COUNT; count++) {
        struct db db = {
            .header = {.count = count}, .keys = keys, .attributes = keys, .fanout = fanout};
        uint64_t at;
        store_le32(fanout, 0);
        store_le32(fanout + DB_FANOUT_LEN, count);
        for (uint32_t i = 0; i < count; i++) {
            memcpy(key, keys + i * DB_KEY_LEN, DB_KEY_LEN);
            wrong += !db_find(&db, key, &at) || at != i;
            key[i < 50 ? 31 : 3]++;
            wrong += db_find(&db, key, &at) || at != i + 1;
        }
    }
    CHECK(wrong == 0);
}

/* A fan-out that lies must not lead outside the map, whatever it says. */
static void test_damaged_fanout(struct random *random) {
    uint8_t fanout[17 * DB_FANOUT_LEN], keys[8 * DB_KEY_LEN], key[DB_KEY_LEN];
    struct db db = {.header = {.count = 8, .fanout_bits = 4},
                    .keys = keys,
                    .attributes = keys,
                    .fanout = fanout};
    uint64_t at;
    int outside = 0;
    random_bytes(random, keys, sizeof keys);
    for (int i = 0; i < 20000; i++) {
        random_bytes(random, fanout, sizeof fanout);
        for (size_t j = 0; i % 2 && j < sizeof fanout; j += 4)
            store_le32(fanout + j, fanout[j] % 12);
        random_bytes(random, key, sizeof key);
        db_find(&db, key, &at);
        outside += at > 8;
    }
    CHECK(outside == 0);
}

int main(void) {
    struct random random;
    CHECK(random_open(&random, NULL) == 0);
    test_sort(&random);
    test_attributes();
    test_buckets();
    test_keys_that_begin_alike();
    test_database(&random);
    test_large_buckets();
    test_damaged_fanout(&random);
    return unit_end("db");
}
