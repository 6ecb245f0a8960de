// GET /v1/observations: its query and its two answers, features restored to their units. Pure. Thread safety:
// functions without state.
#pragma once

#include <optional>
#include <string>

#include "reelsense/features/view.h"
#include "server/http/problem.h"
#include "server/http/request.h"
#include "server/store/observations.h"

namespace reelsense::server {

// `schema`: of the view asked for, which gives the columns.
std::optional<Problem> read_observation_query(const Request& request, ObservationQuery& query,
                                              const ViewSchema*& schema);

void write_observations_json(const ObservationPage& page, const ViewSchema& schema, std::string& out);
// With a header line; a truth that is not known is empty.
void write_observations_csv(const ObservationPage& page, const ViewSchema& schema, std::string& out);

// The place after which the next page begins: 24 hexadecimal digits.
std::string cursor_of(const ObservationPage& page);

}  // namespace reelsense::server
