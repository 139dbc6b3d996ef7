#include "database.h"
#include "unit.h"

#include "base/bytes.h"
#include "base/date.h"
#include "base/parallel.h"
#include "builder/sort.h"
#include "crypto/rsa_key.h"
#include "db/find.h"
#include "db/proof.h"
#include "record/classes.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int compare_facts(const void *a, const void *b) {
    return memcmp(a, b, FACT_SORT_LEN);
}

/* Against the C library's sort: random keys, few different ones, all equal, sorted already. */
static void test_sort(struct random *random) {
    static struct fact facts[20000], expected[20000];
    for (int shape = 0; shape < 4; shape++) {
        for (size_t count = 0; count <= 20000; count = count * 3 + 1) {
            random_bytes(random, facts, count * sizeof *facts);
            for (size_t i = 0; shape > 0 && i < count; i++)
                memset(&facts[i], shape == 1 ? (int)(i % 3) : 0,
                       shape == 3 ? 34 : FACT_SORT_LEN - 2);
            memcpy(expected, facts, sizeof expected);
            qsort(expected, count, sizeof *expected, compare_facts);
            sort_facts(facts, count, shape < 2 ? 1 : 2);
            bool same = 1;
            for (size_t i = 0; i < count; i++)
                same &= memcmp(&facts[i], &expected[i], FACT_SORT_LEN) == 0;
            CHECK(same);
        }
    }
}

/* --- terms ------------------------------------------------------------------------------------ */

static uint32_t number_of(void *context, struct span text) {
    return class_sets_find(context, text);
}

/* A dictionary of three sets. */
static const uint8_t dictionary[] = {3, 0, 0, 0, 0, 0, 0, 0,   2,   0,   0,   0,  3,
                                     0, 0, 0, 5, 0, 0, 0, 'A', 'M', 'B', 'C', '1'};

static struct class_sets open_dictionary(void) {
    struct class_sets sets;
    CHECK(class_sets_open(&sets, dictionary, sizeof dictionary, NULL) == 0);
    return sets;
}

static bool is_same_terms(const struct terms *a, const struct terms *b) {
    bool is = a->status == b->status && a->since == b->since && a->until == b->until &&
              a->group_count == b->group_count && a->status_count == b->status_count &&
              a->card_count == b->card_count && a->code_count == b->code_count;
    for (unsigned i = 0; is && i < a->group_count; i++)
        is = a->groups[i].from == b->groups[i].from && a->groups[i].to == b->groups[i].to &&
             span_compare(a->groups[i].classes, b->groups[i].classes) == 0;
    for (unsigned i = 0; is && i < a->status_count; i++)
        is = a->statuses[i].status == b->statuses[i].status &&
             a->statuses[i].from == b->statuses[i].from && a->statuses[i].to == b->statuses[i].to &&
             span_compare(a->statuses[i].classes, b->statuses[i].classes) == 0;
    for (unsigned i = 0; is && i < a->card_count; i++)
        is = memcmp(&a->cards[i], &b->cards[i], sizeof a->cards[i]) == 0;
    for (unsigned i = 0; is && i < a->code_count; i++)
        is = span_compare(a->codes[i], b->codes[i]) == 0;
    return is;
}

static uint32_t random_day(unsigned *seed, bool is_end) {
    unsigned kind = (unsigned)rand_r(seed) % 6;
    return kind == 0 ? (is_end ? DAY_NO_END : DAY_NO_START)
                     : DAY_FIRST + (uint32_t)rand_r(seed) % (DAY_LAST - DAY_FIRST + 1);
}

/* Terms of every shape. */
static void fill_terms(struct terms *terms, unsigned *seed) {
    static const char *const texts[] = {"AM", "B", "C1", "D", "E\03795", ""};
    memset(terms, 0, sizeof *terms);
    terms->status = (uint8_t)(STATUS_VALID + (unsigned)rand_r(seed) % 6);
    terms->since = rand_r(seed) % 3 == 0 ? DAY_UNKNOWN : random_day(seed, false);
    terms->until = DAY_NO_END;
    if (terms->status != STATUS_VALID && terms->since <= DAY_LAST && rand_r(seed) % 2 == 0)
        terms->until = terms->since < DAY_FIRST ? DAY_LAST : terms->since;
    terms->group_count = (unsigned)rand_r(seed) % (rand_r(seed) % 8 == 0 ? TERMS_GROUPS_MAX : 4);
    for (unsigned i = 0; i < terms->group_count; i++) {
        uint32_t from = random_day(seed, false), to = random_day(seed, true);
        const char *text = texts[(unsigned)rand_r(seed) % 6];
        terms->groups[i] = (struct class_group){
            from < to ? from : DAY_NO_START, from < to ? to : DAY_NO_END, {text, strlen(text)}};
    }
    bool has_lists = rand_r(seed) % 3 == 0;
    terms->status_count = has_lists ? (unsigned)rand_r(seed) % 5 : 0;
    for (unsigned i = 0; i < terms->status_count; i++) {
        const char *text = texts[(unsigned)rand_r(seed) % 6];
        terms->statuses[i] = (struct other_status){(uint8_t)(1 + (unsigned)rand_r(seed) % 6),
                                                   DAY_NO_START,
                                                   random_day(seed, true),
                                                   {text, strlen(text)}};
    }
    terms->card_count = has_lists ? (unsigned)rand_r(seed) % 4 : 0;
    for (unsigned i = 0; i < terms->card_count; i++)
        terms->cards[i] = (struct card_mark){(uint8_t)(1 + i % 3), {(uint8_t)rand_r(seed), 1}};
    terms->code_count = has_lists ? (unsigned)rand_r(seed) % 3 : 0;
    for (unsigned i = 0; i < terms->code_count; i++)
        terms->codes[i] = (struct span){i % 2 ? "B\03770(1)" : "B\03795(x)", 7};
}

/* Reads terms that are to be those that were written. */
static bool reads_as(const struct terms *terms, const uint8_t *bytes, struct further further,
                     const struct class_sets *sets) {
    static struct terms again;
    uint8_t spare[DB_TERMS_LEN], items[FURTHER_MAX];
    struct class_sets dictionary_of = *sets;
    /* writing sorts the lists */
    return terms_read(&again, bytes, further, sets, 2, true) &&
           terms_write(spare, items, &again, 2, number_of, &dictionary_of) >= 0 &&
           is_same_terms(terms, &again);
}

/* What is written is read again as it was, in one encoding only, and any changed bit shows. */
static void test_terms(void) {
    static struct terms terms, again;
    struct class_sets sets = open_dictionary();
    unsigned seed = 1, wrong = 0, with_further = 0;
    for (int i = 0; i < 20000; i++) {
        uint8_t bytes[DB_TERMS_LEN], items[FURTHER_MAX];
        fill_terms(&terms, &seed);
        int len = terms_write(bytes, items, &terms, 2, number_of, &sets);
        if (len < 0) {
            wrong += len != ERR_LIMIT;
            continue;
        }
        struct further further = {items, (size_t)len};
        with_further += len > 0;
        wrong += terms_have_further(bytes) != (len > 0) || terms_kind(bytes) != ENTRY_LICENCE;
        wrong += !reads_as(&terms, bytes, further, &sets);
        unsigned bit = (unsigned)rand_r(&seed) % (8 * DB_TERMS_LEN);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        /* where there are further terms, group 2 is their place, which says nothing */
        if (len == 0 || bit < 76)
            wrong += reads_as(&terms, bytes, further, &sets);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (len == 0)
            continue;
        unsigned place = (unsigned)rand_r(&seed) % (unsigned)len;
        items[place] ^= (uint8_t)(1u << rand_r(&seed) % 8);
        wrong += reads_as(&terms, bytes, further, &sets);
        further.len = place; /* cut short */
        terms_read(&again, bytes, further, &sets, 2, true);
    }
    CHECK(wrong == 0);
    CHECK(with_further > 3000);
}

static void test_terms_refused(void) {
    static struct terms terms;
    struct class_sets sets = open_dictionary();
    uint8_t bytes[DB_TERMS_LEN] = {0}, items[FURTHER_MAX];
    struct further none = {NULL, 0};
    CHECK(!terms_read(&terms, bytes, none, &sets, 2, true)); /* zeros say nothing */
    memset(bytes, 0xFF, sizeof bytes);
    CHECK(!terms_read(&terms, bytes, none, &sets, 2, true));
    const struct terms good = {.status = STATUS_SUSPENDED,
                               .since = DAY_FIRST,
                               .until = DAY_LAST,
                               .group_count = 1,
                               .groups = {{DAY_NO_START, DAY_NO_END, {"B", 1}}}};
    struct terms bad = good;
    CHECK(terms_write(bytes, items, &bad, 2, number_of, &sets) > 0);
    bad.status = 0;
    CHECK(terms_write(bytes, items, &bad, 2, number_of, &sets) == ERR_FORMAT);
    bad = good;
    bad.since = DAY_NO_END;
    CHECK(terms_write(bytes, items, &bad, 2, number_of, &sets) == ERR_FORMAT);
    bad = good;
    bad.until = DAY_FIRST - 1;
    CHECK(terms_write(bytes, items, &bad, 2, number_of, &sets) == ERR_FORMAT);
    bad = good;
    bad.since = DAY_LAST + 1;
    CHECK(terms_write(bytes, items, &bad, 2, number_of, &sets) == ERR_FORMAT);
    bad = good;
    bad.groups[0].from = DAY_LAST;
    bad.groups[0].to = DAY_FIRST;
    CHECK(terms_write(bytes, items, &bad, 2, number_of, &sets) == ERR_FORMAT);
    bad = good;
    bad.status = STATUS_WITHHELD;
    CHECK(terms_write(bytes, items, &bad, 2, number_of, &sets) == ERR_FORMAT);
}

/* Cards are cut off, and found by their codes. */
static void test_cards(void) {
    static struct terms terms, again;
    struct class_sets sets = open_dictionary();
    uint8_t bytes[DB_TERMS_LEN], items[FURTHER_MAX];
    terms = (struct terms){
        .status = STATUS_VALID,
        .since = DAY_UNKNOWN,
        .until = DAY_NO_END,
        .group_count = 2,
        .groups = {{DAY_FIRST, DAY_LAST, {"B", 1}}, {DAY_FIRST, DAY_LAST, {"C1", 2}}},
        .card_count = 2,
        .cards = {{CARD_LOST, {1, 2}}, {CARD_FORMER, {3, 4}}}};
    int len = terms_write(bytes, items, &terms, 2, number_of, &sets);
    struct further further = {items, (size_t)len};
    CHECK(len == 11 + 2 * 6);
    CHECK(further_card(further, (const uint8_t *)"\1\2", 2) == CARD_LOST);
    CHECK(further_card(further, (const uint8_t *)"\3\4", 2) == CARD_FORMER);
    CHECK(further_card(further, (const uint8_t *)"\1\3", 2) == 0);
    further.len = further_len_without_cards(further);
    CHECK(further.len == 11 && further_card(further, (const uint8_t *)"\1\2", 2) == 0);
    CHECK(!terms_read(&again, bytes, further, &sets, 2, true));
    CHECK(terms_read(&again, bytes, further, &sets, 2, false) && again.group_count == 2);
}

/* Each set is proved by its path, and by no other. */
static void test_dictionary(void) {
    uint8_t root[SHA256_LEN], bytes[sizeof dictionary];
    struct class_sets sets = open_dictionary();
    struct class_set_path path;
    class_sets_root(&sets, root);
    for (uint32_t number = 1; number <= 3; number++) {
        struct numbered_set set = {number, class_sets_text(&sets, number)};
        class_sets_prove(&sets, number, &path);
        CHECK(class_set_is_proved(root, 3, &set, &path));
        CHECK(class_sets_find(&sets, set.text) == number);
        set.number = number % 3 + 1;
        CHECK(!class_set_is_proved(root, 3, &set, &path));
        set = (struct numbered_set){number, {"X", 1}};
        CHECK(!class_set_is_proved(root, 3, &set, &path));
    }
    CHECK(class_sets_name(&sets, (struct span){"C1", 2}) &&
          !class_sets_name(&sets, (struct span){"C", 1}));
    for (size_t i = 0; i < sizeof bytes; i++) { /* cut short, or out of order */
        memcpy(bytes, dictionary, sizeof bytes);
        CHECK(class_sets_open(&sets, bytes, i, NULL) == ERR_FORMAT);
        bytes[i] ^= 0x40;
        class_sets_open(&sets, bytes, sizeof bytes, NULL);
    }
    memcpy(bytes, dictionary, sizeof bytes);
    bytes[22] = 'A';
    CHECK(class_sets_open(&sets, bytes, sizeof bytes, NULL) == ERR_FORMAT);
}

static void test_buckets(void) {
    uint8_t key[DB_KEY_LEN] = {0x80, 0x01, 0xFF, 0xFF, 0x12};
    CHECK(db_bucket(key, 0) == 0 && db_bucket(key, 1) == 1 && db_bucket(key, 16) == 0x8001);
    CHECK(db_bucket(key, 32) == 0x8001FFFF);
    CHECK(db_fanout_bits(1) == 0 && db_fanout_bits(2) == 0 && db_fanout_bits(3) == 1);
    CHECK(db_fanout_bits(4) == 1 && db_fanout_bits(5) == 2);
    CHECK(db_fanout_bits(UINT32_MAX) == 31);
}

static void key_of(uint8_t key[DB_KEY_LEN], uint64_t number) {
    uint32_t word = (uint32_t)number;
    sha256(key, &word, sizeof word);
}

static void build(const struct build_settings *settings, uint32_t count) {
    struct error error;
    CHECK(database_make(settings, count, key_of, &error) == count);
}

/* The nodes of a level, as a client holds them. */
static struct held_nodes hold(const struct db *db, unsigned level) {
    struct held_nodes held = {level, merkle_level_count(db->header.count, level), NULL};
    held.nodes = level < MERKLE_STORED_LEVEL
                     ? db->header.merkle_root
                     : db->merkle + merkle_level_start(db->header.count, level) * MERKLE_NODE_LEN;
    return held;
}

static bool is_proved(const struct db *db, const struct held_nodes *held, const uint8_t *key,
                      const struct proof *proof, bool *is_found) {
    struct inquired inquired = {.kind = ASK_NUMBER};
    struct db_answer answer;
    memcpy(inquired.digest, key, SHA256_LEN);
    int code = proof_answer(&db->header, held, NULL, &inquired, proof, &answer, NULL);
    *is_found = answer.is_found;
    return code == 0;
}

/* Every key is proved to be there, its neighbourhood not to be, and nothing else is proved. */
static void check_proofs(const struct db *db, uint32_t count, unsigned level) {
    static struct proof proof;
    const struct held_nodes held = hold(db, level);
    int wrong = 0;
    for (uint32_t i = 0; i < count + 20; i++) {
        uint8_t key[DB_KEY_LEN];
        bool is_found;
        sha256(key, &i, sizeof i);
        wrong += !db_prove(db, key, level, &proof) || proof.is_presence != (i < count);
        wrong += !is_proved(db, &held, key, &proof, &is_found) || is_found != (i < count);
        key[31] ^= 1; /* the first and the last entry do prove that nothing stands beyond them */
        bool is_inner = proof.entries[0].index > 0 && proof.entries[0].index < count - 1;
        wrong += i < count && is_inner && is_proved(db, &held, key, &proof, &is_found);
        db_prove(db, key, level, &proof);
        wrong += !is_proved(db, &held, key, &proof, &is_found) || is_found;
        /* Any change spoils it. */
        struct proof_entry *entry = &proof.entries[proof.entry_count - 1];
        entry->entry[32 + i % 15] ^= 4;
        wrong += is_proved(db, &held, key, &proof, &is_found);
        entry->entry[32 + i % 15] ^= 4;
        entry->index ^= 1;
        wrong += is_proved(db, &held, key, &proof, &is_found);
        entry->index ^= 1;
        if (entry->further.len > 0) {
            entry->further.len--;
            wrong += is_proved(db, &held, key, &proof, &is_found);
            entry->further.len++;
        }
        proof.node_count++;
        wrong += is_proved(db, &held, key, &proof, &is_found);
        proof.node_count--;
        if (proof.node_count > 0) {
            proof.nodes[i % proof.node_count][i % 32] ^= 1;
            wrong += is_proved(db, &held, key, &proof, &is_found);
            proof.nodes[i % proof.node_count][i % 32] ^= 1;
            proof.node_count--;
            wrong += is_proved(db, &held, key, &proof, &is_found);
        }
        proof.entry_count = 0;
        wrong += is_proved(db, &held, key, &proof, &is_found);
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
            wrong += single > 0 && memcmp(db_entry(db, single - 1), key, 32) >= 0;
            wrong += single < count && memcmp(db_entry(db, single), key, 32) < 0;
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
    static uint8_t entries[COUNT * DB_ENTRY_LEN], fanout[2 * DB_FANOUT_LEN];
    static uint8_t asked[ASKED * DB_KEY_LEN];
    struct db db = {.header.count = COUNT, .entries = entries, .fanout = fanout};
    int wrong = 0;
    store_le32(fanout + DB_FANOUT_LEN, COUNT);
    for (unsigned i = 0; i < COUNT; i++) { /* nine of each head; the two next to it are not there */
        entries[i * DB_ENTRY_LEN + 7] = (uint8_t)(1 + i / 9);
        entries[i * DB_ENTRY_LEN + 20 + i % 5] = (uint8_t)(2 * (i % 9) + 2);
    }
    for (unsigned i = 1; i < COUNT; i++) { /* in order */
        for (unsigned j = i; j > 0; j--) {
            uint8_t *one = entries + (j - 1) * DB_ENTRY_LEN, *two = one + DB_ENTRY_LEN;
            uint8_t spare[DB_KEY_LEN];
            if (memcmp(one, two, DB_KEY_LEN) <= 0)
                break;
            memcpy(spare, one, DB_KEY_LEN);
            memcpy(one, two, DB_KEY_LEN);
            memcpy(two, spare, DB_KEY_LEN);
        }
    }
    for (unsigned i = 0; i < ASKED; i++) {
        memcpy(asked + i * DB_KEY_LEN, entries + i / 3 * DB_ENTRY_LEN, DB_KEY_LEN);
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
    uint8_t pages[2][DB_HEAD_LEN];
};

static void *scribble(void *context) {
    struct scribbler *scribbler = context;
    for (unsigned i = 0; !atomic_load(&scribbler->is_over); i++)
        CHECK(pwrite(scribbler->fd, scribbler->pages[i % 2], DB_HEAD_LEN, 0) == DB_HEAD_LEN);
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
        CHECK(pread(scribbler.fd, scribbler.pages[i], DB_HEAD_LEN, 0) == DB_HEAD_LEN);
        if (i == 0)
            close(scribbler.fd);
    }
    CHECK(pthread_create(&thread, NULL, scribble, &scribbler) == 0);
    for (int i = 0; i < 20000 && refused < 3; i++) {
        if (db_open(&db, settings->path, settings->followed, &error) == 0)
            db_close(&db);
        else
            refused += strstr(error.text, "changed while it was opened") != NULL;
    }
    atomic_store(&scribbler.is_over, true);
    pthread_join(thread, NULL);
    close(scribbler.fd);
    CHECK(refused == 3);
}

static void check_answers(const struct db *db) {
    static struct terms terms;
    struct inquired inquired = {.kind = ASK_NUMBER};
    struct db_answer answer;
    struct outcome outcome;
    uint32_t number = 0, day = database_day(0);
    sha256(inquired.digest, &number, sizeof number);
    for (uint32_t later = 0; later < 12; later++) {
        db_ask(db, NULL, &inquired, &answer);
        CHECK(answer.is_found && answer.kind == ENTRY_LICENCE);
        CHECK(db_decide(&answer, &db->header.facts, &db->sets, day + later, 0, NULL, 0, &terms,
                        &outcome) == 0);
        CHECK(outcome.verdict == (later < 11 ? VERDICT_VALID : VERDICT_EXPIRED));
    }
    inquired.kind = ASK_DOCUMENT;
    db_ask(db, NULL, &inquired, &answer);
    CHECK(!answer.is_found);
}

static void test_database(struct random *random) {
    static struct rsa_private authority;
    static struct key_set authorities;
    char path[] = "/tmp/dlv-unit-XXXXXX";
    struct error error;
    struct db db;
    CHECK(rsa_generate(&authority, 2048, random));
    key_set_add(&authorities, &authority.public);
    close(mkstemp(path));
    const struct build_settings settings = {
        .path = path,
        .authority = &authority,
        .followed = &authorities,
        .facts = {.sequence = 1, .name = "unit", .fields = {1, {FIELD_NAME}}},
        .memory = 1 << 20,
        .temporary_folder = "/tmp",
        .thread_count = 2};
    static const uint32_t counts[] = {1, 2, 3, 5, 15, 16, 17, 33, 100, 3000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        build(&settings, counts[i]);
        CHECK(db_open(&db, path, &authorities, &error) == 0);
        CHECK(db_verify(&db, parallel_processors(), path, NULL, &error) == 0);
        check_look_ups(&db, counts[i]);
        check_proofs(&db, counts[i], merkle_height(counts[i]));
        check_proofs(&db, counts[i], merkle_held_level(counts[i]));
        check_answers(&db);
        db_close(&db);
    }
    struct build_settings sparing = settings; /* some thirty runs, which are merged */
    sparing.memory = 1 << 16;
    build(&sparing, 20000);
    CHECK(db_open(&db, path, &authorities, &error) == 0);
    CHECK(db_verify(&db, parallel_processors(), path, NULL, &error) == 0);
    check_look_ups(&db, 20000);
    db_close(&db);
    test_changed_while_opened(&settings);
    unlink(path);
}

/* Buckets of any size: one for all keys here, searched from both ends. */
static void test_large_buckets(void) {
    enum { COUNT = 100 };
    static uint8_t entries[COUNT * DB_ENTRY_LEN];
    uint8_t fanout[2 * DB_FANOUT_LEN], key[DB_KEY_LEN];
    int wrong = 0;
    for (uint32_t i = 0; i < COUNT;
         i++) { /* the same leading bytes, so that all 32 are looked at */
        memset(entries + i * DB_ENTRY_LEN, 0x55, DB_KEY_LEN);
        entries[i * DB_ENTRY_LEN + (i < 50 ? 31 : 3)] = (uint8_t)(2 * i);
    }
    for (uint32_t count = 0; count <= COUNT; count++) {
        struct db db = {.header = {.count = count}, .entries = entries, .fanout = fanout};
        uint64_t at;
        store_le32(fanout, 0);
        store_le32(fanout + DB_FANOUT_LEN, count);
        for (uint32_t i = 0; i < count; i++) {
            memcpy(key, entries + i * DB_ENTRY_LEN, DB_KEY_LEN);
            wrong += !db_find(&db, key, &at) || at != i;
            key[i < 50 ? 31 : 3]++;
            wrong += db_find(&db, key, &at) || at != i + 1;
        }
    }
    CHECK(wrong == 0);
}

/* A fan-out that lies must not lead outside the map, whatever it says. */
static void test_damaged_fanout(struct random *random) {
    uint8_t fanout[17 * DB_FANOUT_LEN], entries[8 * DB_ENTRY_LEN], key[DB_KEY_LEN];
    struct db db = {.header = {.count = 8, .fanout_bits = 4}, .entries = entries, .fanout = fanout};
    uint64_t at;
    int outside = 0;
    random_bytes(random, entries, sizeof entries);
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
    test_terms();
    test_terms_refused();
    test_cards();
    test_dictionary();
    test_buckets();
    test_keys_that_begin_alike();
    test_database(&random);
    test_large_buckets();
    test_damaged_fanout(&random);
    return unit_end("db");
}
