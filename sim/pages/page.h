// A page as parts, and how they become one file.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pages/charts/figure.h"
#include "pages/facts.h"
#include "results/summary.h"

namespace moesim::pages {

/// One of the few numbers that matter, beside its target or limit.
struct KeyFigure {
  std::string label, shown, beside;
  std::string metric, scope;      // where it stands in the table `metric`; "" if it is worked out
  std::optional<double> value{};  // as there
  std::string sql{};              // what gives it, where no metric does
};
/// A chart of a section, with its own heading where there are several.
struct Panel {
  std::string heading, under;
  Figure figure;
  bool wide = false;  // as wide as all columns
};
struct Section {
  std::string id, question;
  Html answer;  // the sentence that the charts show
  Html above;   // a key that all charts share
  std::vector<Panel> panels;
  int columns = 1;  // side by side
  Html below;       // what is no chart
  std::string note;
  std::vector<std::string> sql;  // the queries behind it
};
struct Page {
  std::string kind;  // "training"
  std::string title;
  Html headline;
  Html alarm;  // above everything: a run that did not end, what spoils its figures
  std::vector<KeyFigure> keys;
  std::vector<Panel> strip;  // error band, origin of kernel times
  std::vector<Html> assumed;
  std::vector<Section> sections;
};

/// The file: style and script in it, allowed by their hashes alone; nothing is loaded.
std::string page_html(const Page& page, const Facts& facts);

/// A number that is the answer, one that is bad, one that is neither.
Html strong(std::string_view text);
Html bad(std::string_view text);
Html dim(std::string_view text);
using results::share_text;
}  // namespace moesim::pages
