//! The tables that are compiled in, and directories that replace them.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;

fn codes() -> &'static Codes {
    Codes::built_in()
}

fn look_up<'a>(table: &str, code: &str) -> Lookup<'a> {
    codes().look_up(codes().table(table).unwrap(), code.as_bytes())
}

const fn known(system: &str) -> Lookup<'_> {
    Lookup::Known { system }
}

/// A directory with one file: its rows under a good heading.
fn dir(name: &str, rows: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    let text = format!("# source: a test\n# date: 2026-11-01\n# licence: none\n{rows}");
    fs::write(dir.path().join(name), text).unwrap();
    dir
}

fn problem(dir: &TempDir) -> String {
    Codes::load(dir.path()).unwrap_err().to_string()
}

#[test]
fn every_file_is_there_with_its_date_and_its_rows() {
    let rows: Vec<_> =
        codes().files().map(|file| (file.name, file.date, file.rows, file.built_in)).collect();

    assert_eq!(
        rows,
        [
            ("aliases.csv", 20_251_209, 30, true),
            ("cvx.csv", 20_251_209, 288, true),
            ("injection.csv", 20_251_209, 129, true),
            ("lots.csv", 20_251_209, 9, true),
            ("mvx.csv", 20_251_209, 89, true),
            ("ndc.csv", 20_251_209, 1063, true),
            ("products.csv", 20_251_209, 210, true),
            ("systems.csv", 20_251_209, 4, true),
            ("tables.csv", 20_190_208, 1971, true),
            ("vis.csv", 20_251_209, 548, true),
        ]
    );
    assert!(codes().files().all(|file| !file.source.is_empty() && !file.licence.is_empty()));
}

#[test]
fn a_code_of_a_table_is_known_with_its_system() {
    assert_eq!(look_up("HL70001", "F"), known("HL70001"));
    assert_eq!(look_up("CDCREC_R", "2028-9"), known("CDCREC"));
    assert_eq!(look_up("NCIT", "C28161"), known("NCIT"));
    assert_eq!(look_up("NIP001", "00"), known("NIP001"));
    assert_eq!(look_up("NIP003", "64994-7"), known("LN"));
    assert_eq!(look_up("UCUM_0353", "mL"), known("UCUM"));
    assert_eq!(look_up("UCUM_0353", "NA"), known("HL70353"));
    assert_eq!(look_up("HL70104", "2.5.1"), known("HL70104"));
    assert_eq!(look_up("PHVS_HistoryOfDiseaseAsEvidenceOfImmunity_IIS", "38907003"), known("SCT"));
    assert_eq!(look_up("PHVS_ImmunizationProfileIdentifier_IIS", "Z22"), known("CDCPHINVS"));
}

#[test]
fn a_table_that_is_kept_in_a_file_of_its_own_answers_like_the_others() {
    assert_eq!(look_up("CVX", "208"), known("CVX"));
    assert_eq!(look_up("MVX", "PMC"), known("MVX"));
    assert_eq!(look_up("NDC_Use", "49281-0400-88"), known("NDC"));
    assert_eq!(look_up("NDC_Sale", "49281040088"), Lookup::Unknown);
    assert_eq!(look_up("PHVS_VISBarcodes_IIS", "253088698300001111200108"), known("cdcgs1vis"));
    assert_eq!(look_up("PHVS_VISVaccines_IIS", "03"), known("CVX"));
    assert_eq!(look_up("PHVS_VISVaccines_IIS", "998"), Lookup::Unknown);
    let label =
        |table, code: &str| codes().label(codes().table(table).unwrap(), code.as_bytes()).unwrap();
    assert_eq!(label("CVX", "03"), "MMR");
    assert_eq!(label("MVX", "PMC"), "Sanofi Pasteur");
    assert_eq!(label("NIP001", "00"), "New immunization record");
    assert_eq!(label("HL70064", "CAA01"), "defined by the state");
}

#[test]
fn an_old_code_is_recognised_and_says_what_to_send() {
    let alias = |table, code: &str| {
        let system = codes().system_of_alias(codes().table(table).unwrap(), code.as_bytes());
        (look_up(table, code), system.unwrap_or("none"))
    };
    let means = |means, system| Lookup::Alias { means, system };

    assert_eq!(alias("NCIT", "IM"), (means("C28161", "NCIT"), "HL70162"));
    assert_eq!(alias("CDCREC_E", "H"), (means("2135-2", "CDCREC"), "HL70189"));
    assert_eq!(alias("CDCREC_E", "U"), (means("", ""), "HL70189"));
    assert_eq!(alias("UCUM", "CC"), (means("mL", "UCUM"), "L"));
    assert_eq!(alias("UCUM", "mL"), (known("UCUM"), "none"));
}

#[test]
fn codes_are_compared_byte_for_byte() {
    for (table, code) in
        [("HL70001", "f"), ("HL70001", "X"), ("HL70001", ""), ("CVX", "3"), ("UCUM", "MG")]
    {
        assert_eq!(look_up(table, code), Lookup::Unknown, "{table} {code:?}");
    }
    let sex = codes().table("HL70001").unwrap();
    assert_eq!(codes().look_up(sex, b"\xff"), Lookup::Unknown);
}

#[test]
fn a_locally_defined_table_takes_every_code() {
    for table in ["HL70361", "HL70362", "HL70363", "HL70399", "HL70072", "HL70296", "HL70533"] {
        assert_eq!(look_up(table, "anything"), Lookup::Unchecked, "{table}");
    }
    assert_eq!(look_up("HL70533", "1"), known("HL70533"));
}

#[test]
fn eligibility_codes_of_a_state_begin_with_its_letters() {
    for code in ["V01", "V05", "V22", "V25", "CAA01", "MIA14", "OR01"] {
        assert_eq!(look_up("HL70064", code), known("HL70064"), "{code}");
    }
    for code in ["CA", "XXA01", "V09", "V99"] {
        assert_eq!(look_up("HL70064", code), Lookup::Unknown, "{code}");
    }
}

#[test]
fn a_coding_system_is_known_by_its_name_and_an_old_name_leads_to_it() {
    for name in ["CVX", "CDCREC", "NIP001", "HL70001", "L", "99ABC", "SCT", "cdcgs1vis", "C4"] {
        assert!(codes().is_system(name.as_bytes()), "{name}");
    }
    for name in ["", "CVZ", "cvx", "HL7", "99"] {
        assert!(!codes().is_system(name.as_bytes()), "{name}");
    }
    assert_eq!(codes().system_alias(b"HL70292"), Some("CVX"));
    assert_eq!(codes().system_alias(b"CVX"), None);
    let system = |table| codes().system_of(codes().table(table).unwrap());
    assert_eq!(system("CDCREC_R"), Some("CDCREC"));
    assert_eq!(system("MVX"), Some("MVX"));
    assert_eq!(system("UCUM_0353"), None);
    assert_eq!(system("HL70361"), None);
}

#[test]
fn vaccines_have_a_status_a_kind_ages_days_and_groups() {
    let cvx = |code: &str| codes().cvx(code.as_bytes()).unwrap();

    let covid = cvx("208");
    assert_eq!((covid.status, covid.kind), (CvxStatus::Inactive, CvxKind::Vaccine));
    assert_eq!((covid.not_before, covid.not_after), (Some(20_201_102), Some(20_231_024)));
    assert_eq!((covid.min_months, covid.max_months), (Some(132), None));
    assert_eq!(cvx("110").groups.join(" "), "DTAP HepB POLIO");
    assert_eq!(cvx("03").not_before, None);
    let kind = |code| cvx(code).kind;
    assert_eq!(kind("998"), CvxKind::NotAdministered);
    assert_eq!(kind("999"), CvxKind::Unknown);
    assert_eq!(kind("213"), CvxKind::Unspecified);
    assert_eq!(kind("196"), CvxKind::Vaccine);
    assert_eq!(kind("306"), CvxKind::ImmuneGlobulin);
    assert_eq!(cvx("510").status, CvxStatus::NonUs);
    assert_eq!(codes().newest_cvx(), 334);
    assert!(codes().cvx(b"335").is_none());
}

#[test]
fn a_maker_makes_its_products_only() {
    assert!(codes().is_product(b"03", b"MSD"));
    assert!(!codes().is_product(b"03", b"PMC"));
    assert!(!codes().is_product(b"000", b"MSD"));
    assert_eq!(codes().makers(b"153").collect::<Vec<_>>(), ["NOV", "SEQ"]);
    assert_eq!(codes().makers(b"000").count(), 0);
    assert_eq!(codes().makers(b"998").count(), 0);
    assert_eq!(codes().lot_fits(b"PMC", b"U12345"), Some(true));
    assert_eq!(codes().lot_fits(b"PMC", b"12345"), Some(false));
    assert_eq!(codes().lot_fits(b"MSD", b"12345"), None);
}

#[test]
fn a_package_is_found_with_hyphens_and_without() {
    let package = codes().ndc(b"00006-4980-00").unwrap();

    assert_eq!(&*package.code, "00006498000");
    assert!(package.unit_of_use && package.unit_of_sale);
    assert!(std::ptr::eq(package, codes().ndc(b"00006498000").unwrap()));
    assert_eq!(codes().ndc(b"58160-0821-11").unwrap().cvx.join(" "), "43 44");
    assert!(codes().ndc(b"99999-9999-99").is_none());
}

#[test]
fn a_statement_is_found_by_bar_code_and_by_vaccine_and_edition() {
    let statement = codes().vis(b"253088698300001111200108").unwrap();

    assert_eq!(statement.edition, 20_200_108);
    assert_eq!(&*statement.document, "Adenovirus Vaccine VIS");
    assert!(statement.current);
    assert_eq!(statement.cvx.join(" "), "143");
    assert!(codes().vis_edition(b"143", 20_200_108));
    assert!(codes().vis_edition(b"143", 20_110_714));
    assert!(!codes().vis_edition(b"143", 20_200_109));
    assert!(!codes().vis_edition(b"998", 20_200_108));
    assert!(codes().needs_vis(b"03"));
    assert!(!codes().needs_vis(b"998"));
}

#[test]
fn a_fact_sheet_goes_by_its_day_or_by_the_day_in_its_bar_code() {
    let sheet = codes().vis(b"253088698300036311210201").unwrap();

    assert_eq!((sheet.edition, &*sheet.cvx[0]), (20_230_313, "212"));
    assert!(codes().vis_edition(b"212", 20_230_313));
    assert!(codes().vis_edition(b"212", 20_210_201));
}

#[test]
fn a_vaccine_is_given_as_its_label_says() {
    let rotavirus = codes().injection(b"116").unwrap();
    let hib = codes().injection(b"48").unwrap();

    assert_eq!(rotavirus.routes.join(" "), "C38288");
    assert!(rotavirus.sites.as_ref().unwrap().is_empty());
    assert_eq!(*rotavirus.amounts, [2000]);
    assert_eq!((hib.routes.join(" ").as_str(), &*hib.amounts), ("C28161", &[500][..]));
    assert!(hib.sites.is_none());
    assert!(codes().injection(b"998").is_none());
}

/// Every route of the guidance and every alias leads to a code that is there.
#[test]
fn what_the_files_refer_to_is_there() {
    for vaccine in (0..1000).map(|number| format!("{number:02}")) {
        for route in codes().injection(vaccine.as_bytes()).iter().flat_map(|rule| &*rule.routes) {
            assert_eq!(look_up("NCIT", route), known("NCIT"), "{vaccine}");
        }
    }
}

/// The procedure codes of the AMA may not be passed on: five digits that begin with 90 or 91.
#[test]
fn no_file_holds_a_procedure_code() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/codes");
    let mut cells = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for cell in text.lines().flat_map(|line| line.split([',', ' ', '"'])) {
            let digits = cell.len() == 5 && cell.bytes().all(|byte| byte.is_ascii_digit());
            assert!(!(digits && cell.starts_with('9')), "{cell}");
            assert!(!cell.starts_with("CPT-") && cell != "CPT", "{cell}");
            cells += 1;
        }
    }
    assert!(cells > 10_000);
}

/// The files of `schemas/profiles` name tables in their column `table`.
#[test]
fn every_table_that_a_profile_binds_is_there() {
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/profiles");
    let mut bound = vec![];
    for name in ["segments.csv", "datatypes.csv"] {
        let text = fs::read_to_string(profiles.join(name)).unwrap();
        let mut rows = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
        let column = rows.headers().unwrap().iter().position(|name| name == "table").unwrap();
        for row in rows.records() {
            let cell = row.unwrap()[column].to_owned();
            bound.extend(cell.split(':').filter(|table| !table.is_empty()).map(str::to_owned));
        }
    }

    let unknown: Vec<_> = bound.iter().filter(|table| codes().table(table).is_none()).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(bound.iter().eq(profile::table_names()), "what is looked for");
}

#[test]
fn tables_that_lack_one_of_the_profiles_are_refused() {
    let rows = "table,code,system,label\nHL70001,F,HL70001,Female\n";

    let problem = problem(&dir("tables.csv", rows));

    assert!(problem.starts_with("tables.csv: it has no row of table "), "{problem}");
}

#[test]
fn a_file_in_another_encoding_is_named_by_its_line() {
    let dir = TempDir::new().unwrap();
    let text =
        b"# source: x\n# date: 2026-11-01\ncode,name,status\nPMC,Laboratoire fran\xe7ais,active\n";
    fs::write(dir.path().join("mvx.csv"), text).unwrap();

    assert_eq!(problem(&dir), "mvx.csv: line 4 is not UTF-8; save the file as UTF-8");
}

#[test]
fn a_file_of_a_directory_replaces_the_built_in_one_of_its_name() {
    let dir =
        dir("mvx.csv", "code,name,status\nPMC,Sanofi Pasteur,active\nNEW,\"New, Inc\",active\n");

    let codes = Codes::load(dir.path()).unwrap();

    assert_eq!(&*codes.mvx(b"NEW").unwrap().name, "New, Inc");
    assert!(codes.mvx(b"MSD").is_none());
    assert!(codes.cvx(b"208").is_some());
    assert_eq!(codes.makers(b"03").count(), 0, "MMR's makers are gone");
    let file = codes.files().find(|file| file.name == "mvx.csv").unwrap();
    assert_eq!((file.date, file.rows, file.built_in), (20_261_101, 2, false));
    assert_eq!(codes.files().filter(|file| file.built_in).count(), 9);
}

#[test]
fn a_mistake_is_named_by_file_line_and_column() {
    let header = "code,name,status,updated,not_before,not_expected_before,not_expected_after,\
                  not_after,min_months,max_months,kind,groups\n";
    let row = |cells: &str| dir("cvx.csv", &format!("{header}{cells}\n"));

    assert_eq!(
        problem(&row("08,Hep B,actve,,,,,,,,vaccine,HepB")),
        "cvx.csv, line 5, column status: \"actve\": not one of active, inactive, never-active, non-us, pending"
    );
    assert_eq!(
        problem(&row("08,Hep B,active,,20230230,,,,,,vaccine,HepB")),
        "cvx.csv, line 5, column not_before: \"20230230\" is not a day; write YYYYMMDD"
    );
    assert_eq!(
        problem(&row("08,Hep B, paediatric,active,,,,,,,,vaccine,HepB")),
        "cvx.csv, line 5, column code: the row has 13 cells, but the file has 12 columns; \
         write a text with a comma in \"quotes\""
    );
    assert_eq!(
        problem(&row("08,A,active,,,,,,,,vaccine,\n08,B,active,,,,,,,,vaccine,")),
        "cvx.csv, line 6, column code: 08 stands there twice"
    );
    assert_eq!(
        problem(&dir("products.csv", "product,cvx,mvx,status\nX,08,ZZZ,active\n")),
        "products.csv, line 5, column mvx: \"ZZZ\" does not stand in mvx.csv"
    );
    assert_eq!(
        problem(&dir("aliases.csv", "table,code,means,system\nNCIT,IM,C1,HL70162\n")),
        "aliases.csv, line 5, column means: \"C1\" does not stand in that table of tables.csv"
    );
    assert_eq!(
        problem(&dir(
            "ndc.csv",
            "ndc,unit,cvx,mvx,product,from,to,status\n1-2-3,use,08,,X,,,active\n"
        )),
        "ndc.csv, line 5, column ndc: \"1-2-3\": write 11 digits, no hyphens"
    );
}

#[test]
fn a_file_without_date_source_columns_or_rows_is_refused() {
    let bare = |text: &str| {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("mvx.csv"), text).unwrap();
        problem(&dir)
    };

    assert_eq!(
        bare("code,name,status\nA,B,active\n"),
        "mvx.csv: begin the file with the line `# source: …`"
    );
    assert_eq!(
        bare("# source: x\n# date: 20261101\ncode,name,status\nA,B,active\n"),
        "mvx.csv: begin the file with the line `# date: YYYY-MM-DD`"
    );
    assert_eq!(
        problem(&dir("mvx.csv", "code,name\nA,B\n")),
        "mvx.csv: the first row must name the columns: code,name,status; it says code,name"
    );
    assert_eq!(
        problem(&dir("mvx.csv", "code,name,status\n")),
        "mvx.csv: it has no rows; leave the file out to keep the built-in one"
    );
}

#[test]
fn a_directory_without_tables_or_with_strange_ones_is_refused() {
    let none = TempDir::new().unwrap();
    let missing = none.path().join("missing");

    assert!(problem(&none).contains("it holds none of aliases.csv, cvx.csv"), "{}", problem(&none));
    for name in ["cxv.csv", "CVX.CSV"] {
        let said = problem(&dir(name, "code\n"));
        assert!(said.starts_with(&format!("{name}: not one of the code tables")), "{said}");
    }
    assert!(matches!(Codes::load(&missing), Err(CodesError::Read { .. })));
}

#[test]
fn a_data_directory_uses_its_folder_of_tables_whole_or_not_at_all() {
    let data = TempDir::new().unwrap();
    let new = dir("mvx.csv", "code,name,status\nNEW,New,active\n");
    let newer = dir("mvx.csv", "code,name,status\nNEWER,Newer,active\n");
    let maker = |code: &[u8]| Codes::in_use(data.path()).unwrap().mvx(code).is_some();

    assert!(Arc::ptr_eq(&Codes::in_use(data.path()).unwrap(), Codes::built_in()));
    CodeTexts::of_dir(new.path()).unwrap().install(data.path()).unwrap();
    assert!(maker(b"NEW") && !maker(b"PMC"));
    CodeTexts::of_dir(newer.path()).unwrap().install(data.path()).unwrap();
    assert!(maker(b"NEWER") && !maker(b"NEW"));
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 1);

    fs::rename(data.path().join("codes"), data.path().join("codes.before")).unwrap();
    assert!(maker(b"NEWER"), "a stop while they were being replaced");
}

#[test]
fn changes_are_told_row_by_row() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/codes/systems.csv"));
    let text = text.unwrap().replace("CVX,HL70292", "CVX,99CVX");
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("systems.csv"), text).unwrap();

    let changes =
        CodeTexts::built_in().changes_to(&CodeTexts::of_dir(dir.path()).unwrap()).unwrap();

    let (_, of_systems) = changes.iter().find(|(name, _)| *name == "systems.csv").unwrap();
    assert_eq!(of_systems.added, ["CVX 99CVX"]);
    assert_eq!(of_systems.removed, ["CVX HL70292"]);
    assert!(of_systems.changed.is_empty());
    let others = changes.iter().filter(|(name, _)| *name != "systems.csv");
    assert!(others.into_iter().all(|(_, changes)| *changes == CodeChanges::default()));
}
