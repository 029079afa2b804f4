#include "results/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/files.h"
#include "core/paths.h"
#include "results/metrics.h"
#include "results/sql.h"

namespace moesim::results {
namespace {
struct Prefix {
  double scale;
  std::string_view text;
};
constexpr Prefix kSmallToLarge[] = {{1e-12, "p"}, {1e-9, "n"}, {1e-6, "u"}, {1e-3, "m"}, {1, ""},    {1e3, "k"},
                                    {1e6, "M"},   {1e9, "G"},  {1e12, "T"}, {1e15, "P"}, {1e18, "E"}};

constexpr double kLong = 1e15;  // from here on not every whole number is one of the doubles, nor read at a glance

std::string digits(double v) {
  const double size = std::fabs(v);
  if (size == 0) return "0";
  if (size >= kLong) return fmt::format("{:.3g}", v);
  if (size >= 1000) return fmt::format("{:.0f}", v);
  return fmt::format("{:.{}f}", v, size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3);
}
bool scales(std::string_view unit) {
  const UnitDefinition* known = find_unit(unit);
  return known != nullptr && known->scales;
}
std::string plain(double v) {
  if (std::fabs(v) >= kLong) return digits(v);
  if (v == std::floor(v)) {
    const std::string all = fmt::format("{:.0f}", std::fabs(v));
    std::string out(v < 0 ? 1 : 0, '-');
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i > 0 && (all.size() - i) % 3 == 0) out += ',';
      out += all[i];
    }
    return out;
  }
  return std::fabs(v) >= 1000 ? plain(std::round(v)) : std::fabs(v) < 1e-3 ? fmt::format("{:.3g}", v) : digits(v);
}
}  // namespace

std::string pretty(double value, std::string_view unit) {
  if (unit.empty()) return plain(value);
  if (unit == "s" && std::fabs(value) >= 120) {
    if (std::fabs(value) < 7200) return fmt::format("{} min", digits(value / 60));
    return std::fabs(value) < 172800 ? fmt::format("{} h", digits(value / 3600))
                                     : fmt::format("{} d", digits(value / 86400));
  }
  if (!scales(unit)) return fmt::format("{} {}", plain(value), unit);
  const Prefix* best = value == 0 ? &kSmallToLarge[4] : &kSmallToLarge[0];
  for (const Prefix& p : kSmallToLarge)
    if (std::fabs(value) >= p.scale * 0.9995 && (unit != "s" || p.scale <= 1) && (unit != "B" || p.scale >= 1))
      best = &p;
  return fmt::format("{} {}{}", digits(value / best->scale), best->text, unit);
}

std::string share_text(double share) {
  if (!std::isfinite(share)) return "?";
  const double p = 100 * share, size = std::fabs(p);
  return size == 0 || size >= 9.95 ? fmt::format("{:.0f} %", p)
         : size >= 0.95            ? fmt::format("{:.1f} %", p)
                                   : fmt::format("{:.2g} %", p);
}

namespace {
struct Heading {
  std::string text, unit;
  bool takes_unit = false;  // the next column, called unit, says the unit of this one
};

std::vector<Heading> headings(const Statement& s) {
  std::vector<Heading> out;
  for (int i = 0; i < s.columns(); ++i) {
    Heading h{s.column_name(i), "", false};
    if (const std::size_t open = h.text.find(" ["); open != std::string::npos && h.text.back() == ']') {
      h.unit = h.text.substr(open + 2, h.text.size() - open - 3);
      h.text.resize(open);
    }
    h.takes_unit = h.text == "value" && i + 1 < s.columns() && s.column_name(i + 1) == "unit";
    out.push_back(std::move(h));
  }
  return out;
}

/// many: of several runs, which the first column then tells apart.
std::string table_of(Statement& s, bool many) {
  const std::vector<Heading> columns = headings(s);
  const std::size_t from = !many && !columns.empty() && columns[0].text == "run" ? 1 : 0;
  std::vector<std::string> header;
  for (std::size_t i = from; i < columns.size(); ++i)
    if (i == 0 || !columns[i - 1].takes_unit) header.push_back(columns[i].text);
  TextTable table(header);
  while (s.step()) {
    std::vector<std::string> row;
    for (int i = int(from); i < int(columns.size()); ++i) {
      const Heading& h = columns[std::size_t(i)];
      const std::string unit = h.takes_unit ? s.text(i + 1) : h.unit;
      row.push_back(s.is_null(i) ? "" : s.is_number(i) ? pretty(s.real(i), unit) : s.text(i));
      if (h.takes_unit) ++i;
    }
    table.add(std::move(row));
  }
  return table.empty() ? "" : table.text(2);
}
}  // namespace

std::string summarise(const Database& db, const std::string& name) {
  const std::string sql = read_file(catalogue_file("reports", name + ".sql", "report"));
  const bool many = db.value("SELECT count(*) > 1 FROM run") == "1";
  std::string out;
  for (const std::string& query : titled_queries(sql)) {
    Statement s = db.prepare(query);
    if (const std::string table = table_of(s, many); !table.empty())
      out += fmt::format("{}{}\n{}", out.empty() ? "" : "\n", query.substr(3, query.find('\n') - 3), table);
  }
  return out;
}
}  // namespace moesim::results
