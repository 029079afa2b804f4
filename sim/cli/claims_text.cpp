#include "cli/claims_text.h"

#include <fmt/format.h>

#include "core/log.h"
#include "formats/json.h"
#include "results/summary.h"

namespace moesim::cli {
namespace {
void print_json(const std::vector<runs::ClaimAnswer>& answers) {
  formats::Json list = formats::Json::array();
  for (const runs::ClaimAnswer& a : answers) {
    formats::Json cases = formats::Json::array();
    for (std::size_t i = 0; i < a.names.size(); ++i) cases.push_back({{"name", a.names[i]}, {"value", a.values[i]}});
    list.push_back({{"claim", a.claim},
                    {"source", a.source},
                    {"metric", a.metric},
                    {"unit", a.unit},
                    {"cases", std::move(cases)},
                    {"holds", a.holds},
                    {"why", a.why}});
  }
  core::print_text("{}\n", formats::json_text({{"claims", std::move(list)}}, 2));
}
}  // namespace

void print_claims(const std::vector<runs::ClaimAnswer>& answers, bool json) {
  if (json) return print_json(answers);
  for (const runs::ClaimAnswer& a : answers) {
    core::print_text("\"{}\"\n  said by: {}\n", a.claim, a.source);
    results::TextTable table({"case", a.metric});
    for (std::size_t i = 0; i < a.names.size(); ++i) table.add({a.names[i], results::pretty(a.values[i], a.unit)});
    core::print_text("{}  {}: {}\n\n", table.text(), a.holds ? "holds" : "does not hold", a.why);
  }
}
}  // namespace moesim::cli
