#include "database.h"

#include "base/bytes.h"
#include "base/file.h"
#include "builder/merge.h"

#include <string.h>

enum { FACTS_MAX = 4 };

uint32_t database_day(uint64_t number) {
    return DAY_FIRST + (uint32_t)(number % 100000);
}

static void add_group(struct fact *fact, uint64_t number, uint32_t days, uint32_t text) {
    fact->kind = FACT_GROUP;
    fact_set_day(fact->of.says.since, database_day(number));
    fact_set_day(fact->of.says.until, database_day(number) + days);
    store_le32(fact->of.says.text, text);
}

/* The facts of a licence; returns how many. */
static size_t make_facts(struct fact facts[FACTS_MAX], uint64_t number, database_key *key_of,
                         struct texts *texts) {
    static const char *const sets[] = {"B", "AM\036B", "C\03795"};
    size_t count = number % 5 == 0 ? 4 : 2;
    memset(facts, 0, FACTS_MAX * sizeof *facts);
    for (size_t i = 0; i < count; i++) {
        key_of(facts[i].key, number);
        fact_set_line(&facts[i], (uint32_t)number + 1);
    }
    facts[0].kind = FACT_LICENCE;
    facts[0].status = STATUS_VALID;
    facts[0].codes[0] = (uint8_t)(number | 1);
    fact_set_day(facts[0].of.says.since, DAY_NO_START);
    fact_set_day(facts[0].of.says.until, DAY_NO_END);
    fact_set_day(facts[0].of.says.group_from, DAY_UNKNOWN);
    for (size_t i = 1; i < count; i++) {
        const char *set = sets[(number + i) % 3];
        add_group(&facts[i], number, 10 - (uint32_t)i + 1,
                  texts_number(texts, (struct span){set, strlen(set)}));
    }
    return count;
}

static int collect(struct collector *collector, uint64_t count, database_key *key_of,
                   struct texts *texts, struct error *error) {
    for (uint64_t i = 0; i < count; i++) {
        struct fact facts[FACTS_MAX];
        int code = collector_reserve(collector, FACTS_MAX, error);
        if (code != 0)
            return code;
        collector_put(collector, facts, make_facts(facts, i, key_of, texts));
    }
    return 0;
}

static int write(struct collector *collector, const struct texts *texts,
                 const struct build_settings *settings, int fd, struct db_header *header,
                 struct error *error) {
    struct writer writer;
    struct merge_job job = {.collector = collector,
                            .texts = texts,
                            .fields = &settings->facts.fields,
                            .writer = &writer};
    int code = collector_sort(collector, &job.total, error);
    if (code == 0)
        code = writer_open(&writer, settings, fd, error);
    if (code != 0)
        return code;
    code = merge_facts(&job, error);
    if (code == 0)
        return writer_finish(&writer, header, error);
    writer_abort(&writer);
    return code;
}

int64_t database_make(const struct build_settings *settings, uint64_t count, database_key *key_of,
                      struct error *error) {
    static struct collector collector;
    static struct texts texts;
    struct atomic_file file;
    struct db_header header;
    texts_init(&texts);
    int code = collector_open(&collector, settings, error);
    if (code == 0)
        code = collect(&collector, count, key_of, &texts, error);
    if (code == 0)
        code = atomic_file_open(&file, settings->path, &db_file_kind, REPLACE_ANY, error);
    if (code == 0)
        code = write(&collector, &texts, settings, file.fd, &header, error);
    if (code == 0)
        code = atomic_file_commit(&file, error);
    collector_close(&collector);
    texts_free(&texts);
    return code == 0 ? (int64_t)header.count : code;
}
