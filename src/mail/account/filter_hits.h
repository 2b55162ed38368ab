/* Hits of filter rules that wait to be written (filter_list.c). */
#pragma once

struct db;
struct filter_hits;
struct filter_hits *filter_hits_new(struct db *db);
void filter_hits_free(struct filter_hits *h); /* writes what waits */
