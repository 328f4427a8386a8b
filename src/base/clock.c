/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdio.h>

#define NS_PER_S       1000000000U
#define NS_PER_MS      1000000U
#define DAY_SECONDS    86400
#define ERA_DAYS       146097 /* of 400 years */
#define EPOCH_ERA_DAYS 719468 /* from 0000-03-01 to 1970-01-01 */

struct date {
	int64_t year;
	int month, day;
};

/* Years are counted from March, so that the leap day is the last of one. */
static struct date date_of(int64_t days)
{
	int64_t shifted = days + EPOCH_ERA_DAYS;
	int64_t era = (shifted >= 0 ? shifted : shifted - ERA_DAYS + 1) / ERA_DAYS;
	int day = (int)(shifted - era * ERA_DAYS);
	int year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	int day_of_year = day - (365 * year + year / 4 - year / 100);
	int month = (5 * day_of_year + 2) / 153;

	return (struct date){
		.year = era * 400 + year + (month >= 10),
		.month = month < 10 ? month + 3 : month - 9,
		.day = day_of_year - (153 * month + 2) / 5 + 1,
	};
}

const char *bh_clock_rfc3339(char buf[static BH_CLOCK_BYTES], struct timespec when, bool fine)
{
	int64_t days = when.tv_sec / DAY_SECONDS, rest = when.tv_sec % DAY_SECONDS;
	struct date date;
	int n;

	if (rest < 0) {
		rest += DAY_SECONDS;
		days--;
	}
	date = date_of(days);
	n = snprintf(buf, BH_CLOCK_BYTES, "%04lld-%02d-%02dT%02d:%02d:%02d", (long long)date.year,
		     date.month, date.day, (int)(rest / 3600), (int)(rest / 60 % 60),
		     (int)(rest % 60));
	if (fine)
		n += snprintf(buf + n, BH_CLOCK_BYTES - (size_t)n, ".%09ld", when.tv_nsec);
	snprintf(buf + n, BH_CLOCK_BYTES - (size_t)n, "Z");
	return buf;
}

const char *bh_clock_now(char buf[static BH_CLOCK_BYTES], bool fine)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return bh_clock_rfc3339(buf, now, fine);
}

uint64_t bh_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return ((uint64_t)now.tv_sec * NS_PER_S) + (uint64_t)now.tv_nsec;
}

uint64_t bh_clock_ms(void)
{
	return bh_clock_ns() / NS_PER_MS;
}
