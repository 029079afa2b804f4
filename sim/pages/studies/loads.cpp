#include "pages/studies/loads.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "results/summary.h"

namespace moesim::pages {

std::optional<LoadMap> load_map(const Rows& rows, std::string aria) {
  std::set<int> layers, gpus;
  for (std::size_t i = 0; i < rows.size(); ++i)
    layers.insert(int(rows.number(i, 0))), gpus.insert(int(rows.number(i, 1)));
  if (gpus.size() < 2) return std::nullopt;
  Heat h;
  h.aria = std::move(aria);
  h.row_name = "layer", h.column_name = "GPU";
  for (const int l : layers) h.rows.push_back(fmt::to_string(l));
  for (const int g : gpus) h.columns.push_back(fmt::to_string(g));
  h.values.assign(layers.size() * gpus.size(), NAN);
  LoadMap out;
  out.layers.assign(layers.begin(), layers.end());
  std::vector<double> fullest(layers.size(), 0);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t r = std::size_t(std::distance(layers.begin(), layers.find(int(rows.number(i, 0)))));
    const std::size_t c = std::size_t(std::distance(gpus.begin(), gpus.find(int(rows.number(i, 1)))));
    const double load = rows.number(i, 2);
    h.values[r * gpus.size() + c] = load;
    if (load > fullest[r]) fullest[r] = load;
  }
  for (const double f : fullest) {
    out.balance.push_back(f > 0 ? 1 / f : NAN);
    out.most = std::max(out.most, f);
  }
  out.figure = heat(h);
  return out;
}

void add_lorenz(Page& page, const Queries& q, const std::vector<std::pair<std::string, Rows>>& curves) {
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
    s.name = name;
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
  s.sql = {q.sql("experts")};
  page.sections.push_back(std::move(s));
}

void add_nodes(Page& page, const Queries& q) {
  const Rows rows = q.rows("nodes");
  Section s;
  s.id = "nodes";
  s.question = "Which nodes send to which?";
  s.sql = {q.sql("nodes")};
  std::set<int> nodes;
  double most = 0, least = INFINITY;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    nodes.insert(int(rows.number(i, 0))), nodes.insert(int(rows.number(i, 1)));
    if (rows.number(i, 0) == rows.number(i, 1)) continue;
    most = std::max(most, rows.number(i, 2)), least = std::min(least, rows.number(i, 2));
  }
  if (nodes.size() < 2) {
    s.answer = html("Bytes between GPUs were not counted");
    s.note = "network: {count_pairs: true} keeps them; this page then shows bytes from node to node.";
    page.sections.push_back(std::move(s));
    return;
  }
  Heat h;
  h.aria = "Bytes from node to node";
  h.row_name = "from node", h.column_name = "to node";
  h.steps = Heat::Steps::share;
  h.high = most * 1e-9, h.low = 0;
  h.cell_height = 24, h.numbers = nodes.size() <= 12;
  for (const int n : nodes) h.rows.push_back(fmt::to_string(n)), h.columns.push_back(fmt::to_string(n));
  h.values.assign(nodes.size() * nodes.size(), NAN);
  for (std::size_t i = 0; i < rows.size(); ++i)
    h.values[std::size_t(std::distance(nodes.begin(), nodes.find(int(rows.number(i, 0))))) * nodes.size() +
             std::size_t(std::distance(nodes.begin(), nodes.find(int(rows.number(i, 1)))))] = rows.number(i, 2) * 1e-9;
  s.answer = html("From {} to {} go from one node to another", results::pretty(least, "B"),
                  strong(results::pretty(most, "B")));
  s.panels.push_back({"", "", heat(h)});
  s.note = "GB; within a node, the bytes over NVLink.";
  page.sections.push_back(std::move(s));
}
}  // namespace moesim::pages
