//! What the shop calls its products, read from the table that the sales plugin carries too.

use anyhow::{Context, Result, bail, ensure};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Names and categories by product id.
#[derive(Clone, Debug, Default)]
pub struct Products(HashMap<u32, Product>);

#[derive(Clone, Debug)]
struct Product {
    name: String,
    category: String,
}

impl Products {
    /// Reads a CSV file of `product_id,name,category` with that header.
    ///
    /// # Errors
    /// If the file cannot be read, has another header, or a line of other columns or whose id is no `u32` or
    /// stood in a line before.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).with_context(|| format!("open products {}", path.display()))?;
        Self::from_csv(file).with_context(|| format!("read products {}", path.display()))
    }

    /// The name and the category of a product, both `unknown` if it is not in the table.
    pub fn describe(&self, id: u32) -> (&str, &str) {
        match self.0.get(&id) {
            Some(product) => (&product.name, &product.category),
            None => ("unknown", "unknown"),
        }
    }

    pub(super) fn from_csv(text: impl Read) -> Result<Self> {
        let mut reader = csv::Reader::from_reader(text);
        let header = reader.headers()?;
        ensure!(header == ["product_id", "name", "category"].as_slice(), "header is {header:?}");
        let mut products = HashMap::new();
        for line in reader.records() {
            let line = line?;
            let mut columns = line.iter().map(str::to_owned);
            let (Some(id), Some(name), Some(category)) = (columns.next(), columns.next(), columns.next()) else {
                bail!("line is {line:?}");
            };
            let id: u32 = id.parse().with_context(|| format!("product_id {id:?}"))?;
            ensure!(products.insert(id, Product { name, category }).is_none(), "product_id {id} stands twice");
        }
        Ok(Self(products))
    }
}

#[cfg(test)]
mod tests {
    use super::Products;

    #[test]
    fn products_are_refused_with_another_header_or_an_id_that_is_none_or_stands_twice() {
        for csv in ["id,name,category\n1,a,b\n", "product_id,name,category\nx,a,b\n"] {
            assert!(Products::from_csv(csv.as_bytes()).is_err(), "{csv}");
        }
        for lines in ["1,a,b\n1,c,d\n", "1,a\n", "-1,a,b\n"] {
            let csv = format!("product_id,name,category\n{lines}");
            assert!(Products::from_csv(csv.as_bytes()).is_err(), "{csv}");
        }
    }

    #[test]
    fn a_missing_products_file_is_named_in_the_error() {
        let error = Products::read("no/such/products.csv").map(|_| ());
        let message = error.map_err(|error| error.to_string());
        assert_eq!(message, Err(String::from("open products no/such/products.csv")));
    }
}
