// The Python module _moesim: reads results databases and catalogues.  __init__.py is its face, and starts runs.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <utility>
#include <vector>

#include "core/config_error.h"
#include "core/files.h"
#include "core/installed.h"
#include "core/paths.h"
#include "results/store.h"

namespace py = pybind11;

namespace moesim::python {
namespace {
/// Text, or bytes where it is none.
py::object text_of(const std::string& bytes) {
  PyObject* text = PyUnicode_DecodeUTF8(bytes.data(), py::ssize_t(bytes.size()), "strict");
  if (text != nullptr) return py::reinterpret_steal<py::object>(text);
  PyErr_Clear();
  return py::bytes(bytes);
}

py::object value_of(const results::Statement& s, int column) {
  if (s.is_null(column)) return py::none();
  if (s.is_integer(column)) return py::int_(s.integer(column));
  if (s.is_number(column)) return py::float_(s.real(column));
  return text_of(s.text(column));
}

/// The names of the query's columns, and its rows.
std::pair<std::vector<std::string>, py::list> rows(const std::string& file, const std::string& query) {
  const results::Database db = results::Database::open(file);
  results::Statement s = db.prepare(query);
  std::vector<std::string> columns;
  for (int i = 0; i < s.columns(); ++i) columns.push_back(s.column_name(i));
  py::list out;
  while (s.step()) {
    py::tuple row(s.columns());
    for (int i = 0; i < s.columns(); ++i) row[std::size_t(i)] = value_of(s, i);
    out.append(std::move(row));
  }
  return {std::move(columns), std::move(out)};
}

std::vector<std::string> names(const std::string& catalogue) { return catalogue_names(catalogue); }
}  // namespace

void define(py::module_& m) {
  py::register_exception<ConfigError>(m, "ConfigError", PyExc_ValueError);
  m.attr("version") = std::string(version());
  m.def("rows", &rows, py::arg("file"), py::arg("query"));
  m.def("names", &names, py::arg("catalogue"));
  m.def("installed_data", [] { return installed_data(); });
}
}  // namespace moesim::python

PYBIND11_MODULE(_moesim, m) { moesim::python::define(m); }
