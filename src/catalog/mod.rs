//! The one list of all SQL functions; registration, documentation, examples and comments come from
//! it.

mod calls;
mod examples;
mod install;
mod introspection;
mod reference;

pub use calls::{call, called_behind, returns};
pub use examples::example_tests;
pub use install::{build_script, install_script, macro_statements, pipeline_statements};
pub use reference::reference;

use crate::ffi::{Documentation, Library, Registry, Relation, Result};
use crate::functions::{
    Function, Kind, activity, category, clv, columns, events, exact, files, games, generators, gmm,
    kmeans, orders, pca, plot, repeats, rfm, rules, season, summary, summary_states,
};
use crate::scripts;

/// Every function, by subject, in the order of the documentation.
pub const FUNCTIONS: &[&Function] = &[
    &kmeans::KMEANS_SEGMENTS,
    &kmeans::KMEANS_CENTROIDS_RELATION,
    &kmeans::KMEANS_METRICS,
    &columns::KMEANS_FEATURES_RELATION,
    &gmm::GMM_SEGMENTS,
    &gmm::GMM_METRICS,
    &summary::SEGMENT_PROFILE,
    &rules::SEGMENT_RULES,
    &summary::SEGMENT_MIGRATION,
    &pca::PCA_2D,
    &pca::PCA_COMPONENTS_RELATION,
    &category::NORMALIZE_CATEGORY_RELATION,
    &category::CATEGORY_VARIANTS,
    &activity::SESSIONIZE,
    &activity::USER_ACTIVITY,
    &activity::MONTHLY_ACTIVITY,
    &activity::USER_FEATURES,
    &activity::FUNNEL,
    &activity::RETENTION,
    &rfm::RFM_SCORES,
    &clv::CUSTOMER_VALUE,
    &clv::CUSTOMER_VALUE_CHECK,
    &files::FILE_FINGERPRINT,
    &kmeans::KMEANS_FIT,
    &kmeans::KMEANS_EVALUATE,
    &kmeans::KMEANS_PREDICT,
    &kmeans::KMEANS_DISTANCE,
    &kmeans::KMEANS_DISTANCES,
    &kmeans::KMEANS_SILHOUETTE,
    &kmeans::KMEANS_TO_SQL,
    &kmeans::KMEANS_SURVEY,
    &kmeans::KMEANS_SURVEY_MERGE,
    &kmeans::KMEANS_SAMPLE,
    &kmeans::KMEANS_SAMPLE_MERGE,
    &kmeans::KMEANS_START,
    &kmeans::KMEANS_STEP,
    &kmeans::KMEANS_STEP_MERGE,
    &kmeans::KMEANS_NEXT,
    &kmeans::KMEANS_ITERATE,
    &pca::PCA_SURVEY,
    &pca::PCA_MERGE,
    &pca::PCA_FINAL,
    &summary_states::SUMMARY_SURVEY,
    &summary_states::SUMMARY_MERGE,
    &summary_states::SUMMARY_FINAL,
    &kmeans::KMEANS_CENTROIDS,
    &columns::KMEANS_FEATURES,
    &gmm::GMM_FIT,
    &gmm::GMM_EVALUATE,
    &gmm::GMM_PREDICT,
    &gmm::GMM_PROBABILITIES,
    &summary::FEATURE_SUMMARY,
    &rules::RULES_FIT,
    &rules::RULES_PREDICT,
    &pca::PCA_FIT,
    &pca::PCA_TRANSFORM,
    &pca::PCA_INVERSE,
    &pca::PCA_TO_SQL,
    &pca::PCA_COMPONENTS,
    &clv::CLV_FIT,
    &clv::CLV_ALIVE,
    &clv::CLV_PURCHASES,
    &clv::CLV_VALUE,
    &category::NORMALIZE_CATEGORY,
    &category::CATEGORY_MATCH,
    &category::CATEGORY_SIMILARITY,
    &category::CATEGORY_FINGERPRINT,
    &exact::EXACT_BIGINT,
    &exact::EXACT_DECIMAL,
    &exact::EXACT_TIMESTAMP,
    &exact::EXACT_UUID,
    &events::EVENT_TIMESTAMP,
    &events::FUNNEL_STEPS,
    &season::SEASONAL_DECOMPOSE,
    &rfm::QUANTILE_CUTS,
    &rfm::CUT_SCORE,
    &plot::SCATTER_SVG,
    &plot::LINE_SVG,
    &files::CONTENT_HASH,
    &files::LINE_SUMMARY,
    &files::CONTENT_SUMMARY,
    &files::CSV_FIELDS,
    &repeats::REPEATED_VALUES,
    &generators::SYNTHETIC_MARKETPLACE_EVENTS,
    &orders::SYNTHETIC_ORDERS,
    &games::SYNTHETIC_USERS,
    &games::SYNTHETIC_GAMES,
    &games::SYNTHETIC_GAME_EVENTS,
    &columns::CHECK_NEW_COLUMNS,
    &events::SOURCE_COLUMNS,
    &events::EVENT_COUNTS_QUERY,
    &introspection::AMAZING_FUNCTIONS,
    &introspection::AMAZING_SCRIPTS,
    &introspection::AMAZING_SESSION,
    &introspection::AMAZING_INFO,
    &introspection::AMAZING_INFO_RELATION,
];

/// The catalog as a backend sees it.
pub struct Catalog;

impl Library for Catalog {
    fn register(&self, registry: &mut Registry<'_>) -> Result<()> {
        for function in FUNCTIONS {
            if let Some(register) = function.register {
                register(registry, function)?;
            }
        }
        Ok(())
    }

    fn relations(&self) -> Vec<Relation> {
        let relation = |m: scripts::Macro<'static>| Relation {
            name: m.name,
            parameters: m.defaults,
            body: m.body,
        };
        scripts::macros().into_iter().map(relation).collect()
    }

    fn macro_statements(&self, catalog: &str) -> Vec<String> {
        macro_statements(&format!("{catalog}.main."))
    }

    fn documentation(&self, name: &str, is_relation: bool) -> Documentation {
        let function = FUNCTIONS
            .iter()
            .find(|f| f.signature.name == name && (f.kind == Kind::Relation) == is_relation)
            .unwrap_or_else(|| panic!("{name} is in the catalog"));
        Documentation {
            description: function.description,
            // The API has room for documentation where relations need no catalog of their own.
            examples: function
                .examples
                .iter()
                .map(|example| called_behind("", example.sql))
                .collect(),
            category: function.subject,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_macro_has_an_entry_and_every_relation_a_macro() {
        let mut macros: Vec<&str> = scripts::macros().iter().map(|m| m.name).collect();
        let mut relations: Vec<&str> = FUNCTIONS
            .iter()
            .filter(|f| f.kind == Kind::Relation)
            .map(|f| f.signature.name)
            .collect();
        macros.sort_unstable();
        relations.sort_unstable();
        assert_eq!(macros, relations);
    }

    #[test]
    fn every_function_is_described_and_shown() {
        for function in FUNCTIONS {
            let name = function.signature.name;
            assert!(!function.description.is_empty(), "{name}");
            assert_eq!(function.register.is_none(), function.kind == Kind::Relation, "{name}");
            assert!(!function.examples.is_empty(), "{name} has an example");
        }
    }
}
