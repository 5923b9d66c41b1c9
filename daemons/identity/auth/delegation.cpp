#include "auth/delegation.h"

#include "auth/directory.h"
#include "base/json.h"

namespace pilvi::identity {

std::vector<std::string> texts_in(std::string_view text) {
    std::vector<std::string> out;
    if (text.empty()) return out;
    const json::value value = parse_json(text);
    for (const json::value& item : value.as_array()) out.push_back(str(item.as_string()));
    return out;
}

std::string texts_to_json(const std::vector<std::string>& texts) {
    json::array out;
    for (const std::string& text : texts) out.emplace_back(text);
    return to_text(out);
}

TrustRecord trust_of(const Row& row) {
    TrustRecord t;
    t.id = row.text("id");
    t.trustor_user_id = row.text("trustor_user_id");
    t.trustee_user_id = row.text("trustee_user_id");
    t.project_id = row.text("project_id");
    t.redelegated_trust_id = row.text("redelegated_trust_id");
    t.impersonation = row.boolean("impersonation");
    t.expires_at = row["expires_at"].optional_integer();
    t.remaining_uses = row["remaining_uses"].optional_integer();
    t.redelegation_count = static_cast<int>(row.integer("redelegation_count"));
    t.roles = texts_in(row.text("roles"));
    return t;
}

std::optional<TrustRecord> find_trust(Tx& tx, std::string_view id) {
    const auto row = tx.one(std::string(trust_columns) + " WHERE id = ?", {id});
    return row ? std::optional(trust_of(*row)) : std::nullopt;
}

std::vector<TrustRecord> pedigree_of(Tx& tx, const TrustRecord& trust) {
    std::vector<TrustRecord> chain{trust};
    while (!chain.back().redelegated_trust_id.empty()) {
        auto parent = find_trust(tx, chain.back().redelegated_trust_id);
        if (!parent || chain.size() > max_redelegation_count + 1) return {};
        chain.push_back(std::move(*parent));
    }
    return chain;
}

bool consume_use(Tx& tx, const TrustRecord& trust) {
    if (!trust.remaining_uses) return true;
    return tx.exec("UPDATE trusts SET remaining_uses = remaining_uses - 1 WHERE id = ? AND remaining_uses > 0", {trust.id}) > 0;
}

std::optional<AccessTokenRecord> find_access_token(Tx& tx, std::string_view id) {
    const auto row =
        tx.one("SELECT id, secret, authorizing_user_id, project_id, consumer_id, expires_at, role_ids FROM oauth_access_tokens WHERE id = ?", {id});
    if (!row) return std::nullopt;
    return AccessTokenRecord{row->at(0).text(),          row->at(1).text(), row->at(2).text(),
                             row->at(3).text(),          row->at(4).text(), row->at(5).optional_integer(),
                             texts_in(row->at(6).text())};
}

std::set<std::string> expand_roles(Tx& tx, const std::vector<std::string>& ids) {
    return with_implied({ids.begin(), ids.end()}, load_implications(tx));
}

std::vector<std::string> remove_trusts(Tx& tx, std::string_view condition, const Values& values) {
    std::vector<std::string> ids;
    for (const Row& row :
         tx.query("DELETE FROM trusts WHERE id IN (WITH RECURSIVE below (id) AS (SELECT id FROM trusts WHERE " + std::string(condition) +
                      " UNION SELECT t.id FROM trusts t JOIN below b ON t.redelegated_trust_id = b.id) SELECT id FROM below)"
                      " RETURNING id",
                  values))
        ids.push_back(row.at(0).text());
    return ids;
}

void forget_users(Tx& tx, std::string_view ids, const Values& values) {
    const std::string in = " IN (" + std::string(ids) + ")";
    remove_trusts(tx, "trustor_user_id" + in, values);
    remove_trusts(tx, "trustee_user_id" + in, values);
    tx.exec("DELETE FROM oauth_access_tokens WHERE authorizing_user_id" + in, values);
    tx.exec("DELETE FROM oauth_request_tokens WHERE authorizing_user_id" + in, values);
}

void forget_projects(Tx& tx, std::string_view ids, const Values& values) {
    const std::string in = " IN (" + std::string(ids) + ")";
    remove_trusts(tx, "project_id" + in, values);
    tx.exec("DELETE FROM oauth_access_tokens WHERE project_id" + in, values);
    tx.exec("DELETE FROM oauth_request_tokens WHERE requested_project_id" + in, values);
}

}  // namespace pilvi::identity
