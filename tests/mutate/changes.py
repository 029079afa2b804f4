"""The one-line changes that a source file allows: where, what it is now, what it becomes.  Found by libclang."""
import os
import re
import subprocess
from dataclasses import dataclass

from clang import cindex
from clang.cindex import CursorKind as Kind, TypeKind

# What each operator becomes.  Where the values differ by little, so that only a sharp test notices.
SWAPS = {"+": ["-"], "-": ["+"], "*": ["/"], "/": ["*"], "%": ["*"], "<": ["<=", ">"], "<=": ["<", ">="],
         ">": [">=", "<"], ">=": [">", "<="], "==": ["!="], "!=": ["=="], "&&": ["||"], "||": ["&&"],
         "+=": ["-="], "-=": ["+="], "*=": ["/="], "/=": ["*="]}
NUMBERS = {TypeKind.BOOL, TypeKind.SHORT, TypeKind.INT, TypeKind.LONG, TypeKind.LONGLONG, TypeKind.UCHAR,
           TypeKind.USHORT, TypeKind.UINT, TypeKind.ULONG, TypeKind.ULONGLONG, TypeKind.FLOAT, TypeKind.DOUBLE,
           TypeKind.LONGDOUBLE}
FUNCTIONS = {Kind.FUNCTION_DECL, Kind.CXX_METHOD, Kind.CONSTRUCTOR, Kind.FUNCTION_TEMPLATE, Kind.LAMBDA_EXPR,
             Kind.CONVERSION_FUNCTION, Kind.DESTRUCTOR}
# Values that the compiler must know.
FIXED = {Kind.STATIC_ASSERT, Kind.CASE_STMT, Kind.ENUM_CONSTANT_DECL, Kind.TEMPLATE_NON_TYPE_PARAMETER,
         Kind.ALIGNED_ATTR, Kind.TEMPLATE_REF, Kind.TYPE_ALIAS_DECL, Kind.TYPEDEF_DECL}
OLD = "§"  # stands for what was there; no source has the sign
MOST_LINES = 2  # of the text that is written twice


@dataclass
class Change:
    begin: int
    end: int
    line: int
    text: str    # what stands between begin and end, where @ is the question whether the change is on
    said: str    # "a < b  ->  a <= b"


class Finder:
    def __init__(self, path, arguments):
        self.path = path
        self.bytes = open(path, "rb").read()
        unit = cindex.Index.create().parse(path, args=arguments)
        self.errors = sum(d.severity >= 3 for d in unit.diagnostics)
        self.found = []
        self.walk(unit.cursor, False, [])

    def text(self, begin, end):
        return self.bytes[begin:end].decode()

    def add(self, cursor, new, said=None):
        begin, end = cursor.extent.start.offset, cursor.extent.end.offset
        old = self.text(begin, end)
        if old.count("\n") >= MOST_LINES or "#" in old or "//" in old or "return" in old:
            return
        line = lambda s: re.sub(r"\s+", " ", s)
        self.found.append(Change(begin, end, cursor.extent.start.line, new.replace(OLD, old),
                                 f"{line(old)}  ->  {line((said or new).replace(OLD, old))}"))

    def walk(self, cursor, inside, parents):
        for child in cursor.get_children():
            file = child.location.file
            if not parents and (file is None or file.name != self.path):
                continue
            if child.kind in FIXED or self.is_known_to_the_compiler(child):
                continue
            within = inside or child.kind in FUNCTIONS
            if within and file is not None and file.name == self.path:
                self.look(child, parents[-1] if parents else None)
            self.walk(child, within, parents + [child])

    def is_known_to_the_compiler(self, cursor):
        if cursor.kind not in FUNCTIONS and cursor.kind not in (Kind.VAR_DECL, Kind.IF_STMT):
            return False
        if cursor.kind == Kind.LAMBDA_EXPR:
            return False
        head = self.text(cursor.extent.start.offset, min(cursor.extent.end.offset, cursor.extent.start.offset + 200))
        return re.search(r"\b(constexpr|consteval|constinit)\b", head.split("{")[0].split("(")[0] + head[:14]) is not None

    def look(self, c, parent):
        kind = c.kind
        if kind in (Kind.BINARY_OPERATOR, Kind.COMPOUND_ASSIGNMENT_OPERATOR):
            self.binary(c, parent, all(k.type.get_canonical().kind in NUMBERS for k in c.get_children()))
        elif kind == Kind.CALL_EXPR and c.spelling.startswith("operator"):
            self.binary(c, parent, "moesim" in c.type.get_canonical().spelling or
                        any("moesim" in a.type.get_canonical().spelling for a in c.get_arguments()))
        elif kind == Kind.UNARY_OPERATOR:
            old = self.text(c.extent.start.offset, c.extent.end.offset)
            if old.startswith("!") or old.startswith("-") and not old.startswith("--"):
                self.add(c, f"(@ ? {old[1:]} : §)", old[1:])
            for step, back in (("++", "--"), ("--", "++")):
                if old.startswith(step) and c.type.get_canonical().kind in NUMBERS:
                    self.add(c, f"(@ ? {back}{old[2:]} : §)", back + old[2:])
        elif kind == Kind.INTEGER_LITERAL and c.type.get_canonical().kind in NUMBERS:
            if re.fullmatch(r"[0-9']+[uUlL]*", self.text(c.extent.start.offset, c.extent.end.offset)):
                self.add(c, "(@ ? § + 1 : §)", "§ + 1")
        elif kind == Kind.FLOATING_LITERAL:
            if re.fullmatch(r"[0-9'.eE+-]+[fF]?", self.text(c.extent.start.offset, c.extent.end.offset)):
                self.add(c, "(@ ? § * 2 + 1 : §)", "§ * 2 + 1")
        elif kind == Kind.CXX_BOOL_LITERAL_EXPR:
            self.add(c, "(@ != §)", "!§")
        elif kind == Kind.IF_STMT:
            first = next(c.get_children(), None)
            if first is not None and first.kind.is_expression():
                self.add(first, "(@ != bool(§))", "!(§)")
        elif kind == Kind.CALL_EXPR and c.spelling in ("max", "min") and c.type.get_canonical().kind in NUMBERS:
            old = self.text(c.extent.start.offset, c.extent.end.offset)
            other = {"max": "min", "min": "max"}[c.spelling]
            if old.startswith(f"std::{c.spelling}("):
                new = old.replace(f"std::{c.spelling}(", f"std::{other}(", 1)
                self.add(c, f"(@ ? {new} : §)", new)
        if parent is not None and parent.kind == Kind.COMPOUND_STMT and kind == Kind.CALL_EXPR:
            self.add(c, "(@ ? void() : void(§))", "nothing")

    def binary(self, c, parent, fits):
        children = list(c.get_children())
        if not fits or len(children) < 2:
            return
        left, right = children[0].extent, children[-1].extent
        begin, end = left.end.offset, right.start.offset
        operator = self.text(begin, end).strip() if begin < end else ""
        for new in SWAPS.get(operator, []):
            a, b = self.text(left.start.offset, begin), self.text(end, right.end.offset)
            if len(operator) == 2 and operator[1] == "=" and operator[0] in "+-*/":
                if parent is None or parent.kind not in (Kind.COMPOUND_STMT, Kind.FOR_STMT, Kind.IF_STMT):
                    continue
                self.add(c, f"(@ ? void({a} {new} {b}) : void(§))", f"{a} {new} {b}")
            else:
                self.add(c, f"(@ ? ({a} {new} {b}) : (§))", f"{a} {new} {b}")


ARGUMENTS = ["-std=c++20", "-DFMT_SHARED", "-DMOESIM_VERSION=\"\"", "-DMOESIM_SOURCE_DIR=\"\"",
             "-DMOESIM_INSTALLED_DATA=\"\"", "-DMOESIM_OPENBLAS=\"\"", "-w"]


def precompiled(root, folder):
    """The headers that nearly every source includes, parsed once; the list is the build's."""
    path = f"{folder}/common.pch"
    if not os.path.exists(path):
        text = open(f"{root}/CMakeLists.txt").read()
        headers = re.search(r"set\(common_headers ([^)]*)\)", text)[1].split()
        with open(f"{folder}/common.h", "w") as out:
            out.writelines(f"#include {h}\n" for h in headers)
        subprocess.run(["clang++", "-x", "c++-header", *ARGUMENTS, f"{folder}/common.h", "-o", path], check=True)
    return path


def changes_in(path, root, folder):
    """(changes, parse errors) of one file."""
    finder = Finder(path, [*ARGUMENTS, "-I", f"{root}/sim", "-ferror-limit=0", "-include-pch", precompiled(root, folder)])
    return finder.found, finder.errors
