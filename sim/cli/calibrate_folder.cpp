#include "cli/calibrate_folder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "cli/network_residuals.h"
#include "compute/fitting/tables.h"
#include "core/files.h"
#include "core/log.h"
#include "formats/json.h"
#include "network/fitting/tables.h"
#include "spec/catalogue.h"

namespace moesim::cli {
namespace {
using compute::ClassResiduals;
using compute::Measurement;

struct Folder {
  std::vector<Measurement> rows;
  std::vector<network::NetworkRow> calls;                              // of collectives and exchange kernels
  std::vector<std::string> not_read;                                   // names of files
  std::map<std::string, std::map<std::string, std::size_t>> left_out;  // rows, by file and reason
  std::vector<std::string> not_fitted;  // kinds of rows that are held to the calibration in force alone
};

/// Rows that no fit here has parameters for: their kinds are named.
void set_aside(Folder& folder, const FolderRequest& request) {
  const auto held = [](const Measurement& s) { return s.harness == compute::Harness::simulated; };
  for (const Measurement& s : folder.rows)
    if (held(s) && std::ranges::find(folder.not_fitted, s.kind) == folder.not_fitted.end())
      folder.not_fitted.push_back(s.kind);
  std::erase_if(folder.rows, held);
  if (!request.out.empty() && folder.rows.empty())
    throw ConfigError(fmt::format("{}: no rows of kernels that are fitted, so none for --output", request.folder));
}

Folder read_folder(const FolderRequest& request) {
  Folder out;
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(request.folder, error))
    if (entry.is_regular_file() && entry.path().extension() == ".csv") files.push_back(entry.path().string());
  if (error) throw ConfigError(fmt::format("{}: {}", request.folder, error.message()));
  if (files.empty()) throw ConfigError(fmt::format("{}: holds no .csv file", request.folder));
  std::ranges::sort(files);
  const auto rows_of = [](const std::string& file, const auto& read) {
    auto rows = read(file);
    if (rows.empty()) throw ConfigError(fmt::format("{}:1: no row follows the header", file));
    return rows;
  };
  const auto wanted = [&](const std::string& gpu) { return request.gpu.empty() || gpu == request.gpu; };
  for (const std::string& file : files) {
    if (network::is_network_table(file)) {
      for (network::NetworkRow& r : rows_of(file, network::read_network_table))
        if (wanted(r.gpu)) out.calls.push_back(std::move(r));
      continue;
    }
    if (!compute::is_kernel_table(file)) {
      out.not_read.push_back(std::filesystem::path(file).filename().string());
      continue;
    }
    compute::KernelTable table = compute::read_kernel_table(file);
    const std::string name = std::filesystem::path(file).filename().string();
    if (table.rows.empty() && table.left_out.empty())
      throw ConfigError(fmt::format("{}:1: no row follows the header", file));
    const bool any = std::ranges::any_of(table.rows, [&](const Measurement& m) { return wanted(m.gpu); });
    if (!table.left_out.empty() && (any || request.gpu.empty())) out.left_out[name] = std::move(table.left_out);
    for (Measurement& s : table.rows)
      if (wanted(s.gpu)) out.rows.push_back(std::move(s));
  }
  if (out.rows.empty() && out.calls.empty())
    throw ConfigError(fmt::format("{}: no file holds rows of kernels{}{}{}", request.folder,
                                  request.gpu.empty() ? "" : " on " + request.gpu,
                                  out.not_read.empty() ? "" : "; not read: ", fmt::join(out.not_read, ", ")));
  if (request.fit) set_aside(out, request);
  return out;
}

/// The classes of one fit; and, where it was fitted, of the fits that left a fifth of the rows out, over that fifth.
struct Report {
  std::vector<ClassResiduals> all, held_out;
};

Report fit_gpu(const FolderRequest& request, const spec::Gpu& gpu, std::vector<Measurement> rows) {
  compute::hold_out(rows, request.seed);
  const compute::TableFitResult start{
      compute::load_calibration("kernels-" + gpu.generation), compute::load_benchmarks(gpu.generation), {}};
  compute::TableFitResult fit = start, without = start;
  compute::fit_tables(fit, gpu, rows, -1, request.evaluations);
  compute::fit_tables(without, gpu, rows, 0, request.evaluations);
  if (!request.out.empty()) write_file(request.out, compute::table_fit_yaml(fit, gpu, rows));
  return {compute::residuals_of(fit, gpu, rows, [](const Measurement&) { return true; }),
          compute::residuals_of(without, gpu, rows, [](const Measurement& s) { return s.fold == 0; })};
}

Report report_of(const FolderRequest& request, const Folder& folder) {
  if (!request.fit) return {compute::residuals_in_force(folder.rows), {}};
  Report out;
  std::vector<std::string> gpus;
  for (const Measurement& s : folder.rows)
    if (std::ranges::find(gpus, s.gpu) == gpus.end()) gpus.push_back(s.gpu);
  if (gpus.size() > 1 && !request.out.empty())
    throw ConfigError("--output takes the fit of one GPU: name it with --gpu");
  for (const std::string& name : gpus) {
    std::vector<Measurement> rows;
    std::ranges::copy_if(folder.rows, std::back_inserter(rows), [&](const Measurement& s) { return s.gpu == name; });
    const Report one = fit_gpu(request, spec::load_gpu(name), std::move(rows));
    out.all.insert(out.all.end(), one.all.begin(), one.all.end());
    out.held_out.insert(out.held_out.end(), one.held_out.begin(), one.held_out.end());
  }
  return out;
}

const ClassResiduals* same_class(const std::vector<ClassResiduals>& among, const ClassResiduals& c) {
  const auto found = std::ranges::find_if(among, [&](const ClassResiduals& o) {
    return o.kind == c.kind && o.gpu == c.gpu && o.precision == c.precision && o.library == c.library &&
           o.group == c.group;
  });
  return found == among.end() ? nullptr : &*found;
}

void print_rows(const Folder& folder) {
  print_text("{:<18} {:<16} {:<6} {:<34} {:>12} {:>12} {:>8}  {}\n", "kind", "precision", "gpu", "library",
             "measured us", "predicted us", "error", "shape");
  const auto print = [](const auto& row, double time, std::string_view more) {
    print_text("{:<18} {:<16} {:<6} {:<34} {:>12.2f} {:>12.2f} {:>+7.1f}%  {}{}\n", row.kind, row.precision, row.gpu,
               row.library, row.seconds * 1e6, time * 1e6, (time / row.seconds - 1) * 100, row.shape, more);
  };
  compute::for_each_in_force(folder.rows, [&](const Measurement& s, double time, bool host) {
    print(s, time, host ? ", bound by the host" : "");
  });
  const std::vector<double> times = network::predicted_in_force(folder.calls);
  for (std::size_t i = 0; i < folder.calls.size(); ++i)
    print(folder.calls[i], times[i], folder.calls[i].disturbed ? ", disturbed" : "");
}

/// What of the folder is not in the classes, a line each.
std::vector<std::string> notes_of(const Folder& folder) {
  std::vector<std::string> out;
  if (!folder.not_fitted.empty())
    out.push_back(
        fmt::format("nothing to fit: {} (their equations' parameters are not fitted here; --no-fit holds the "
                    "calibration in force to them)",
                    fmt::join(folder.not_fitted, ", ")));
  for (const auto& [file, reasons] : folder.left_out)
    for (const auto& [reason, rows] : reasons)
      out.push_back(fmt::format("left out: {} row{} of {}: {}", rows, rows == 1 ? "" : "s", file, reason));
  for (const std::string& name : folder.not_read) {
    const std::string_view why = compute::why_not_read(name);
    out.push_back(fmt::format("not read: {}{}{}", name, why.empty() ? "" : ": ", why));
  }
  return out;
}

void print_json(const Report& report, const Folder& folder) {
  formats::JsonValue out = formats::JsonValue::array();
  for (const ClassResiduals& c : report.all) {
    formats::JsonValue kind = {{"kind", c.kind},
                               {"precision", c.precision},
                               {"gpu", c.gpu},
                               {"library", c.library},
                               {"group", c.group},
                               {"rows", c.residuals.rows},
                               {"median", c.residuals.median},
                               {"p90", c.residuals.ninetieth},
                               {"worst", c.residuals.worst},
                               {"worst_shape", c.residuals.worst_shape},
                               {"bias", c.bias}};
    if (const ClassResiduals* held = same_class(report.held_out, c)) {
      kind["held_out_median"] = held->residuals.median;
      kind["held_out_p90"] = held->residuals.ninetieth;
    }
    out.push_back(std::move(kind));
  }
  print_text("{}\n", formats::json_text(out, 2));
  for (const std::string& line : notes_of(folder)) core::say(line);
}

void print_table(const Report& report, const Folder& folder) {
  print_text("{:<28} {:<10} {:<6} {:<34} {:<18} {:>5} {:>7} {:>7} {:>7} {:>8}{}\n", "kind", "precision", "gpu",
             "library", "rows of", "rows", "median", "p90", "worst", "bias",
             report.held_out.empty() ? "" : "  held out: median p90");
  for (const ClassResiduals& c : report.all) {
    print_text("{:<28} {:<10} {:<6} {:<34} {:<18} {:>5} {:>6.1f}% {:>6.1f}% {:>6.1f}% {:>+7.1f}%", c.kind, c.precision,
               c.gpu, c.library, c.group, c.residuals.rows, c.residuals.median * 100, c.residuals.ninetieth * 100,
               c.residuals.worst * 100, c.bias * 100);
    if (const ClassResiduals* held = same_class(report.held_out, c))
      print_text("  {:>6.1f}% {:>6.1f}%", held->residuals.median * 100, held->residuals.ninetieth * 100);
    print_text("\n");
  }
  for (const std::string& line : notes_of(folder)) print_text("{}\n", line);
}
}  // namespace

void calibrate_folder(const FolderRequest& request) {
  const Folder folder = read_folder(request);
  if (request.rows) return print_rows(folder);
  Report report = report_of(request, folder);
  const NetworkFit calls =
      request.fit ? fit_network_rows(folder.calls, request.seed) : NetworkFit{network_residuals(folder.calls), {}};
  report.all.insert(report.all.end(), calls.all.begin(), calls.all.end());
  report.held_out.insert(report.held_out.end(), calls.held_out.begin(), calls.held_out.end());
  request.json ? print_json(report, folder) : print_table(report, folder);
}
}  // namespace moesim::cli
