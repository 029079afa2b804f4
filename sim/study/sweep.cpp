#include "study/sweep.h"

#include <fmt/format.h>

#include <atomic>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "core/files.h"
#include "core/log.h"
#include "record/results.h"
#include "record/schema.h"
#include "record/summary.h"
#include "study/studies.h"

namespace moesim {
namespace {
using Value = Results::Value;
using Row = std::vector<Value>;

struct Point {
  std::vector<std::string> values;               // one an axis
  std::string problem;                           // why it could not be run, or empty
  std::map<std::string, std::vector<Row>> rows;  // by table
  std::vector<std::string> shown;
};

/// A value as it is written in one line of YAML.
std::string text_of(const Config& value) {
  if (value.is_scalar()) return value.text();
  std::string out;
  if (value.is_list()) {
    for (const Config& item : value.items()) out += (out.empty() ? "" : ", ") + text_of(item);
    return "[" + out + "]";
  }
  for (const std::string& key : value.keys()) out += (out.empty() ? "" : ", ") + key + ": " + text_of(value.at(key));
  return "{" + out + "}";
}

std::vector<Row> rows_of(const Database& db, std::string_view table, int run) {
  std::vector<Row> out;
  Statement s = db.prepare(fmt::format("SELECT * FROM {} ORDER BY rowid", table));
  while (s.step()) {
    Row& row = out.emplace_back();
    for (int c = 0; c < s.columns(); ++c) {
      const std::string name = s.column_name(c);
      if (name == "run" && run > 0 && !s.is_null(c))
        row.emplace_back(run);
      else if (s.is_null(c) || (run > 0 && (name == "wall_time" || name == "peak_rss")))
        row.push_back(Results::null());  // they differ from run to run
      else if (s.is_integer(c))
        row.emplace_back(s.integer(c));
      else if (s.is_number(c))
        row.emplace_back(s.real(c));
      else
        row.emplace_back(s.text(c));
    }
  }
  return out;
}

void insert(Database& db, std::string_view table, const std::vector<Row>& rows) {
  if (rows.empty()) return;
  std::string marks;
  for (std::size_t i = 0; i < rows.front().size(); ++i) marks += i == 0 ? "?" : ",?";
  Statement s = db.prepare(fmt::format("INSERT INTO {} VALUES ({})", table, marks));
  for (const Row& row : rows) {
    for (int c = 0; c < int(row.size()); ++c) {
      const Value& v = row[std::size_t(c)];
      if (const auto* integer = std::get_if<std::int64_t>(&v))
        s.bind(c, *integer);
      else if (const auto* real = std::get_if<double>(&v))
        s.bind(c, *real);
      else if (const auto* text = std::get_if<std::string>(&v))
        s.bind(c, std::string_view(*text));
      else
        s.bind_null(c);
    }
    s.run();
  }
}

constexpr std::string_view kKept[] = {"run", "metric", "stage"};

/// Runs one point; a ConfigError becomes its problem.
void run_point(const SweepSection& section, const std::string& file, int number, Point& point) {
  try {
    std::vector<Config::Override> overrides;
    for (const std::string& text : section.set) {
      const std::size_t equals = text.find('=');
      if (equals == std::string::npos) throw ConfigError(fmt::format("set: expected key.path=value, got \"{}\"", text));
      overrides.push_back({text.substr(0, equals), text.substr(equals + 1)});
    }
    for (std::size_t axis = 0; axis < section.vary.size(); ++axis)
      overrides.push_back({section.vary[axis].key, point.values[axis]});
    const Config scenario = Config::load(file, overrides);
    for (const StudyEntry& study : studies()) {
      if (!scenario.has(study.section)) continue;
      RunIdentity identity;
      identity.title = scenario.has("title") ? scenario.at("title").text() : "";
      identity.study = study.section;
      identity.file = section.scenario;
      if (scenario.has("seed")) scenario.at("seed").parse(identity.seed);
      Results results(":memory:", identity);
      SpanLog spans;
      StudyRun run{scenario, identity.seed, results, spans};
      const StudyEnd end = study.run(run);
      results.finish({end.interrupted ? "interrupted" : "complete", end.fingerprint, end.events, end.simulated_time, 0},
                     scenario.resolved());
      for (std::string_view table : kKept)
        point.rows[std::string(table)] = rows_of(results.database(), table, number + 1);
      for (const std::string& name : section.show) {
        const std::optional<std::string> unit =
            results.database().value(fmt::format("SELECT unit FROM metric WHERE scope = 'run' AND name = '{}'", name));
        if (!unit) throw ConfigError(fmt::format("show: the runs have no metric called \"{}\"", name));
        point.shown.push_back(pretty(results.metric_value(name), *unit));
      }
      return;
    }
    throw ConfigError(fmt::format("{}: has no section that says what to run", file));
  } catch (const ConfigError& e) {
    point.problem = e.what();
    point.rows.clear();
    point.shown.clear();
  }
}

std::vector<Point> grid(const SweepSection& section) {
  std::vector<Point> points(1);
  for (const SweepAxis& axis : section.vary) {
    std::vector<Point> more;
    for (const Point& p : points)
      for (const Config& value : axis.values) {
        more.push_back(p);
        more.back().values.push_back(text_of(value));
      }
    points = std::move(more);
  }
  return points;
}

SweepSection read_sweep(const std::string& file) {
  const Config config = Config::load(file);
  auto section = read<SweepSection>(config);
  if (section.vary.empty()) config.at("vary").fail("expected at least one axis");
  for (const Config& axis : config.at("vary").items())
    if (axis.at("values").items().empty()) axis.at("values").fail("expected at least one value");
  return section;
}

void print(const SweepSection& section, const std::vector<Point>& points, const std::vector<int>& mine) {
  std::vector<std::string> header{"point"};
  for (const SweepAxis& axis : section.vary) header.push_back(axis.key);
  header.insert(header.end(), section.show.begin(), section.show.end());
  TextTable table(header);
  for (int number : mine) {
    const Point& p = points[std::size_t(number)];
    std::vector<std::string> row{fmt::to_string(number)};
    row.insert(row.end(), p.values.begin(), p.values.end());
    row.insert(row.end(), p.shown.begin(), p.shown.end());
    row.resize(header.size(), "-");
    table.add(row);
  }
  fmt::print("{}\n\n{}", section.title, table.text());
  for (int number : mine)
    if (const Point& p = points[std::size_t(number)]; !p.problem.empty())
      fmt::print("\npoint {} cannot be run: {}", number, p.problem);
  fmt::print("\n");
}
}  // namespace

int sweep(const SweepOptions& options) {
  if (options.jobs < 1) throw ConfigError(fmt::format("--jobs: expected at least 1, got {}", options.jobs));
  if (options.shards < 1 || options.shard < 1 || options.shard > options.shards)
    throw ConfigError(fmt::format("--shard: expected I/N with 1 <= I <= N, got {}/{}", options.shard, options.shards));
  const std::string sweep_file = catalogue_file("scenarios", options.file, "sweep");
  const SweepSection section = read_sweep(sweep_file);
  const std::string file = catalogue_file("scenarios", section.scenario, "scenario", sweep_file);
  check_new_file(options.output);

  std::vector<Point> points = grid(section);
  std::vector<int> mine;
  for (int i = options.shard - 1; i < int(points.size()); i += options.shards) mine.push_back(i);
  std::atomic<std::size_t> next{0}, done{0};
  std::mutex mutex;
  std::exception_ptr error;
  {
    Progress progress("point", mine.size());
    const auto work = [&] {
      for (std::size_t k; (k = next++) < mine.size() && !interrupted();) {
        try {
          run_point(section, file, mine[k], points[std::size_t(mine[k])]);
        } catch (...) {
          const std::lock_guard lock(mutex);
          if (!error) error = std::current_exception();
          return;
        }
        const std::lock_guard lock(mutex);
        progress.at(++done);
      }
    };
    std::vector<std::jthread> threads;
    for (int j = 1; j < options.jobs; ++j) threads.emplace_back(work);
    work();
  }
  if (error) std::rethrow_exception(error);
  if (done < mine.size()) throw ConfigError("interrupted before all points were run; nothing was written");

  Database db = Database::create(options.output);
  db.exec(schema_sql());
  Transaction transaction(db);
  bool any = false;
  for (int number : mine) {
    Point& p = points[std::size_t(number)];
    for (std::string_view table : kKept) insert(db, table, p.rows[std::string(table)]);
    const Value run = p.problem.empty() ? Value(number + 1) : Results::null();
    for (std::size_t axis = 0; axis < section.vary.size(); ++axis)
      insert(db, "sweep_point", {{number, run, section.vary[axis].key, p.values[axis], p.problem}});
    any = any || p.problem.empty();
  }
  transaction.commit();
  db.close();
  print(section, points, mine);
  fmt::print("results in {}\n", options.output);
  return any ? 0 : 1;
}

void merge_sweeps(const std::string& output, const std::vector<std::string>& shards) {
  std::map<std::int64_t, std::pair<std::string, std::vector<Row>>> points;  // shard and sweep_point rows
  std::map<std::string, std::map<std::int64_t, std::vector<Row>>> rows;     // table, run
  for (const std::string& shard : shards) {
    const Database db = Database::open(shard);
    for (const Row& row : rows_of(db, "sweep_point", 0)) {
      auto& [from, list] = points[std::get<std::int64_t>(row.front())];
      if (!from.empty() && from != shard)
        throw ConfigError(
            fmt::format("{} and {} both hold point {}", from, shard, std::get<std::int64_t>(row.front())));
      from = shard;
      list.push_back(row);
    }
    for (std::string_view table : kKept)
      for (const Row& row : rows_of(db, table, 0))
        rows[std::string(table)][std::get<std::int64_t>(row.front())].push_back(row);
  }
  if (points.empty()) throw ConfigError("these databases hold no sweep");
  Database db = Database::create(output);
  db.exec(schema_sql());
  Transaction transaction(db);
  for (std::string_view table : kKept)
    for (const auto& [run, list] : rows[std::string(table)]) insert(db, table, list);
  for (const auto& [number, point] : points) insert(db, "sweep_point", point.second);
  transaction.commit();
  db.close();
}
}  // namespace moesim
