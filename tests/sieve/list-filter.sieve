# message: list.eml
# expect: fileinto lists/dev
require ["fileinto", "variables", "envelope"];
if header :matches "list-id" "*<*.lists.example.net>*" { set :lower "list" "${2}"; fileinto "lists/${list}"; stop; }
keep;
