#include "base/date.h"

#include "base/error.h"
#include "base/format.h"

#include <stdio.h>
#include <string.h>

#define DAY_S 86400

/* The number in exactly `count` decimal digits, or -1. */
static int digits(const char *text, int count) {
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

static bool is_leap(int year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days of the year's months before `month`, up to 13. */
static int days_before_month(int year, int month) {
    static const int common[13] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    return common[month - 1] + (month > 2 && is_leap(year));
}

static int month_days(int year, int month) {
    return days_before_month(year, month + 1) - days_before_month(year, month);
}

/* Days of the years before `year`. */
static int days_before_year(int year) {
    int y = year - 1;
    return y * 365 + y / 4 - y / 100 + y / 400;
}

int date_parse(const char *text, size_t len, uint32_t *day) {
    if (len != 10 || text[4] != '-' || text[7] != '-')
        return ERR_FORMAT;
    int year = digits(text, 4);
    int month = digits(text + 5, 2);
    int of_month = digits(text + 8, 2);
    if (year < 1 || month < 1 || month > 12 || of_month < 1 || of_month > month_days(year, month))
        return ERR_FORMAT;
    *day = (uint32_t)(days_before_year(year) + days_before_month(year, month) + of_month - 1);
    return 0;
}

void date_format(char *text, uint32_t day) {
    int days = (int)(day > DATE_DAY_MAX ? DATE_DAY_MAX : day);
    int year = days / 366 + 1; /* never too late; at most a few years early */
    while (days_before_year(year + 1) <= days)
        year++;
    int left = days - days_before_year(year);
    int month = 1;
    while (left >= month_days(year, month))
        left -= month_days(year, month++);
    text[0] = (char)('0' + year / 1000);
    text[1] = (char)('0' + year / 100 % 10);
    text[2] = (char)('0' + year / 10 % 10);
    text[3] = (char)('0' + year % 10);
    text[4] = '-';
    text[5] = (char)('0' + month / 10);
    text[6] = (char)('0' + month % 10);
    text[7] = '-';
    text[8] = (char)('0' + (left + 1) / 10);
    text[9] = (char)('0' + (left + 1) % 10);
    text[10] = '\0';
}

int utc_offset_parse(const char *text, int32_t *utc_offset_s) {
    if ((text[0] == 'Z' || text[0] == 'z') && text[1] == '\0') {
        *utc_offset_s = 0;
        return 0;
    }
    if (strlen(text) != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':')
        return ERR_FORMAT;
    int hours = digits(text + 1, 2);
    int minutes = digits(text + 4, 2);
    if (hours < 0 || minutes < 0 || minutes > 59 || hours * 3600 + minutes * 60 > UTC_OFFSET_MAX_S)
        return ERR_FORMAT;
    int32_t offset = hours * 3600 + minutes * 60;
    *utc_offset_s = text[0] == '-' ? -offset : offset;
    return 0;
}

int moment_parse(const char *text, struct moment *moment) {
    uint32_t day;
    size_t len = strlen(text);
    if (len < 10 || date_parse(text, 10, &day) != 0)
        return ERR_FORMAT;
    int64_t midnight = ((int64_t)day - DATE_UNIX_EPOCH) * DAY_S;
    if (len == 10) {
        *moment = (struct moment){.unix_s = midnight, .is_day = true};
        return 0;
    }
    if (len < 20 || (text[10] != 'T' && text[10] != 't' && text[10] != ' ') || text[13] != ':' ||
        text[16] != ':')
        return ERR_FORMAT;
    int hour = digits(text + 11, 2);
    int minute = digits(text + 14, 2);
    int second = digits(text + 17, 2);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
        return ERR_FORMAT;
    const char *zone = text + 19;
    if (*zone == '.') {
        zone++;
        if (digits(zone, 1) < 0)
            return ERR_FORMAT;
        while (digits(zone, 1) >= 0)
            zone++;
    }
    int32_t offset;
    if (utc_offset_parse(zone, &offset) != 0)
        return ERR_FORMAT;
    moment->unix_s = midnight + hour * 3600 + minute * 60 + second - offset;
    moment->is_day = false;
    return 0;
}

uint32_t moment_day(const struct moment *moment, int32_t utc_offset_s) {
    const int64_t first = -(int64_t)DATE_UNIX_EPOCH * DAY_S;
    const int64_t last = ((int64_t)DATE_DAY_MAX - DATE_UNIX_EPOCH) * DAY_S;
    int64_t local = moment->unix_s;
    if (local > last + DAY_S)
        local = last + DAY_S;
    if (local < first - DAY_S)
        local = first - DAY_S;
    if (!moment->is_day)
        local += utc_offset_s;
    if (local < first)
        return 0;
    int64_t day = (local - first) / DAY_S;
    return day > DATE_DAY_MAX ? DATE_DAY_MAX : (uint32_t)day;
}

void time_format(char *text, int64_t unix_s, int32_t utc_offset_s) {
    struct moment local = {.unix_s = unix_s + utc_offset_s, .is_day = true};
    uint32_t day = moment_day(&local, 0);
    date_format(text, day);
    int64_t of_day = unix_s + utc_offset_s - ((int64_t)day - DATE_UNIX_EPOCH) * DAY_S;
    unsigned second = of_day < 0 ? 0 : of_day >= DAY_S ? DAY_S - 1 : (unsigned)of_day;
    format_text(text + 10, TIME_TEXT_SIZE - 10, "T%02u:%02u:%02u", second / 3600, second / 60 % 60,
                second % 60);
    unsigned offset = (unsigned)(utc_offset_s < 0 ? -utc_offset_s : utc_offset_s) / 60;
    if (offset == 0)
        memcpy(text + 19, "Z", 2);
    else
        format_text(text + 19, TIME_TEXT_SIZE - 19, "%c%02u:%02u", utc_offset_s < 0 ? '-' : '+',
                    offset / 60 % 100, offset % 60);
}

void moment_format(char *text, const struct moment *moment, int32_t utc_offset_s) {
    if (moment->is_day)
        date_format(text, moment_day(moment, 0));
    else
        time_format(text, moment->unix_s, utc_offset_s);
}
