#include "pages/studies/loads.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "results/summary.h"

namespace moesim::pages {

Matrix matrix_of(const Rows& rows) {
  constexpr std::size_t kMost = 1'000'000;
  std::map<int, std::size_t> down, across;
  for (std::size_t i = 0; i < rows.size(); ++i) down[rows.whole(i, 0)], across[rows.whole(i, 1)];
  if (down.empty() || across.size() > kMost / down.size()) return {};
  Matrix out;
  for (auto& [number, place] : down) place = out.rows.size(), out.rows.push_back(number);
  for (auto& [number, place] : across) place = out.columns.size(), out.columns.push_back(number);
  out.values.assign(down.size() * across.size(), NAN);
  for (std::size_t i = 0; i < rows.size(); ++i)
    out.values[down[rows.whole(i, 0)] * across.size() + across[rows.whole(i, 1)]] = rows.number(i, 2);
  return out;
}
std::vector<std::string> names_of(const std::vector<int>& numbers) {
  std::vector<std::string> out;
  for (const int n : numbers) out.push_back(fmt::to_string(n));
  return out;
}

std::optional<LoadMap> load_map(const Rows& rows, std::string aria) {
  const Matrix m = matrix_of(rows);
  if (m.columns.size() < 2) return std::nullopt;
  LoadMap out;
  out.layers.assign(m.rows.begin(), m.rows.end());
  for (std::size_t r = 0; r < m.rows.size(); ++r) {
    double fullest = 0;
    for (std::size_t c = 0; c < m.columns.size(); ++c)
      if (const double load = m.values[r * m.columns.size() + c]; load > fullest) fullest = load;
    out.balance.push_back(fullest > 0 ? 1 / fullest : NAN);
    out.most = std::max(out.most, fullest);
  }
  Heat h;
  h.aria = std::move(aria);
  h.row_name = "layer", h.column_name = "GPU";
  h.rows = names_of(m.rows), h.columns = names_of(m.columns);
  h.values = m.values;
  out.figure = heat(h);
  if (out.figure.marks == 0) return std::nullopt;
  return out;
}

void add_lorenz(Page& page, const std::vector<std::string>& sql,
                const std::vector<std::pair<std::string, Rows>>& curves) {
  constexpr int kPoints = 20;
  Lines l;
  l.x_name = "% of the experts, idlest first", l.y_name = "% of the tokens";
  l.top = 100;
  std::string answer;
  for (int p = 0; p <= kPoints; ++p) l.x.push_back(100.0 * p / kPoints);
  for (const auto& [name, rows] : curves) {
    if (rows.size() < 2) continue;
    std::vector<double> sums = {0};
    for (std::size_t i = 0; i < rows.size(); ++i) sums.push_back(sums.back() + std::max(0.0, rows.number(i, 1)));
    if (!(sums.back() > 0)) continue;
    Lines::Series& s = l.series.emplace_back();
    s.name = name.empty() ? "as counted" : name;
    const auto at = [&](double share) {
      const double place = share * double(rows.size());
      const std::size_t below = std::min(std::size_t(place), rows.size() - 1);
      return (sums[below] + (place - double(below)) * (sums[below + 1] - sums[below])) / sums.back();
    };
    for (int p = 0; p <= kPoints; ++p) s.y.push_back(100 * at(double(p) / kPoints));
    answer +=
        fmt::format("{}{}{}", answer.empty() ? "" : ", ", share_text(1 - at(0.9)), name.empty() ? "" : " in " + name);
  }
  if (l.series.empty()) return;
  l.series.push_back({"all alike", l.x});
  l.aria = "Share of the tokens of the idlest experts: the busiest tenth takes " + answer;
  Section s;
  s.id = "lorenz";
  s.question = "How unequal are the experts?";
  s.answer = html("The busiest tenth of the experts takes {} of the tokens", strong(answer));
  s.panels.push_back({"", "", lines(l)});
  s.note =
      "Experts of each layer in order of load, means over layers (a Lorenz curve). The further below \"all alike\", "
      "the more unequal.";
  s.sql = sql;
  page.sections.push_back(std::move(s));
}

void add_nodes(Page& page, const Queries& q) {
  const Rows rows = q.rows("nodes");
  Section s;
  s.id = "nodes";
  s.question = "Which nodes send to which?";
  s.sql = {q.sql("nodes")};
  Matrix m = matrix_of(rows);
  double most = 0, least = INFINITY, most_within = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double bytes = rows.number(i, 2);
    if (!std::isfinite(bytes)) continue;
    if (rows.whole(i, 0) == rows.whole(i, 1))
      most_within = std::max(most_within, bytes);
    else
      most = std::max(most, bytes), least = std::min(least, bytes);
  }
  if (m.rows.size() < 2 || !(most > 0)) {
    s.answer =
        rows.empty() ? html("Bytes between GPUs were not counted") : html("No bytes go from one node to another");
    if (rows.empty()) s.note = "network: {count_pairs: true} keeps them; this page then shows bytes from node to node.";
    page.sections.push_back(std::move(s));
    return;
  }
  Heat h;
  h.aria = "Bytes from node to node";
  h.row_name = "from node", h.column_name = "to node";
  h.steps = Heat::Steps::share;
  h.high = most * 1e-9, h.low = 0;
  h.cell_height = 24, h.numbers = m.columns.size() <= 12;
  h.rows = names_of(m.rows), h.columns = names_of(m.columns);
  // Bytes within a node are of another network and of another size: beside them all others would look alike.
  for (std::size_t r = 0; r < m.rows.size(); ++r)
    for (std::size_t c = 0; c < m.columns.size(); ++c)
      m.values[r * m.columns.size() + c] = m.rows[r] == m.columns[c] ? NAN : 1e-9 * m.values[r * m.columns.size() + c];
  h.values = std::move(m.values);
  s.answer = html("From {} to {} go from one node to another", results::pretty(least, "B"),
                  strong(results::pretty(most, "B")));
  s.panels.push_back({"", "", heat(h)});
  s.note = fmt::format("GB, the stronger the more. Within a node at most {} go over NVLink.",
                       results::pretty(most_within, "B"));
  page.sections.push_back(std::move(s));
}
}  // namespace moesim::pages
